"""From a run folder to a page, a table, data or pictures; it reads records and cannot train.

>>> from headstart.report import load_run
>>> load_run("no-such-folder")
Traceback (most recent call last):
headstart.core.errors.DataError: 'no-such-folder' is no run folder: it has no records.jsonl; ...
"""

from headstart.report.check import Checked, check_answer
from headstart.report.figures import figures
from headstart.report.markdown import to_markdown
from headstart.report.run import Run, load_run
from headstart.report.svg import save_figures
from headstart.report.write import FORMATS, to_json, write_report

__all__ = [
    "FORMATS",
    "Checked",
    "Run",
    "check_answer",
    "figures",
    "load_run",
    "save_figures",
    "to_json",
    "to_markdown",
    "write_report",
]
