# Read by the other scripts: the repository's root, and the Python to use.
# PYTHON may name another one; otherwise it is the environment in .venv, or the one that is active.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -z "${PYTHON:-}" ]; then
  PYTHON=python
  [ -x .venv/bin/python ] && PYTHON=$PWD/.venv/bin/python
fi
export PYTHON
# Bytecode is worth keeping: without it every process compiles all that it imports.
unset PYTHONDONTWRITEBYTECODE
