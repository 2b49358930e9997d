"""What a user sees: output, exit codes, files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import headstart
from headstart.cli import main
from headstart.study.study import Study
from report.answered import write_answered
from report.raced import GOING, write_raced
from tiny_study import ARMS, FEDAVG, FINETUNE, keys, numbers, write_study

COMMAND = str(Path(sys.executable).with_name("headstart"))


@dataclass
class Done:
    """One command that has ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line on standard error."""
        (line,) = self.err.splitlines()
        return line


Run = Callable[..., Done]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, 80 columns wide."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object) -> Done:
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        told = capfd.readouterr()
        return Done(code, told.out, told.err)

    return run


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study file in a folder of its own; the working folder is another, empty one."""
    (tmp_path / "study").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return write_study(tmp_path / "study")


def nothing_written() -> bool:
    return not list(Path().iterdir())


@pytest.mark.parametrize("command", ["study", "plan", "diagnose", "demo", "report", "check"])
def test_every_command_has_help(run: Run, command: str) -> None:
    assert command in run("--help").out
    done = run(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"headstart {command}" in done.out
    assert max(len(line) for line in done.out.splitlines()) <= 80


def test_a_study_from_its_file_to_its_report(run: Run, study: Path) -> None:
    done = run("study", study)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert told_runs(done.out) == [
        "fedavg, seed 0",
        "fedavg, seed 1",
        "fedavg-finetune, seed 0",
        "fedavg-finetune, seed 1",
    ]
    assert lines.count("No claim yet") == 1
    assert "It needs 3 seeds, and 2 were run; federating has the best mean so far." in lines
    labels = ("Good start pays?", "Sharing pays?", "Adapting pays?", "Ahead so far")
    assert [label for label in labels if not any(line.startswith(label) for line in lines)] == []
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert any(line.startswith("report  runs/tiny/report.html") for line in lines)
    names = {path.name for path in Path("runs/tiny").iterdir() if not path.name.startswith(".")}
    needed = {"study.toml", "records.jsonl", "clients.parquet", "verdict.json", "report.html", "weights", "nodes"}
    assert needed <= names


def test_all_runs_what_a_race_leaves_out(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pooled = 'start = "random"\nfederate = { method = "pooled", epochs = 2 }'
    study = write_study(tmp_path, seeds=[0, 1, 2], arms={**ARMS, "pooled": pooled})
    assert "pooled, seed" not in run("study", study).out
    assert run("study", study, "--all").out.count("pooled, seed") == 3
    assert json.loads(Path("runs/tiny/verdict.json").read_text())["race"]["ended"] == "all"


@pytest.mark.parametrize("command", ["study", "plan", "diagnose"])
def test_what_was_read_is_said_in_80_columns(run: Run, study: Path, command: str) -> None:
    lines = run(command, study).out.splitlines()
    block = lines[: lines.index("")]
    said = {line[:11].strip(): line[13:].strip() for line in block if line[:11].strip()}
    assert said["source"] == "clients.csv (table), 120 rows read, 120 used"
    assert said["inputs"] == "5 columns: a, b, c, d, e"
    assert said["other parts"] == "label, site (client), id"
    assert said["clients"] == "4: site-0 30, site-1 30, site-2 30, site-3 30"
    assert max(map(len, block)) <= 80


def test_the_report_and_the_folder_say_what_was_read(run: Run, study: Path) -> None:
    run("study", study)
    run("report", "runs/tiny", "--format", "md")
    run("report", "runs/tiny", "--format", "json")
    account = json.loads(Path("runs/tiny/federation.json").read_text())["account"]
    assert (account["rows"], account["used"], account["inputs"]) == (120, 120, ["a", "b", "c", "d", "e"])
    assert "<dd>clients.csv (table), 120 rows read, 120 used</dd>" in Path("runs/tiny/report.html").read_text()
    assert "- source: clients.csv (table), 120 rows read, 120 used" in Path("runs/tiny/report.md").read_text()
    assert json.loads(Path("runs/tiny/report.json").read_text())["account"] == account


def test_columns_that_are_not_scaled_and_differ_widely_are_warned_of(run: Run, study: Path) -> None:
    table = study.parent / "clients.csv"
    first, *rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{first},pay", *(f"{row},{2000 + i % 7}" for i, row in enumerate(rows))]) + "\n")
    assert "inputs are not scaled" not in run("plan", study).out
    write_study(study.parent, data='standardize = "none"')
    assert "note         inputs are not scaled and differ widely: 'pay'" in run("plan", study).out


def test_a_plan_says_what_a_run_would_not_use(run: Run, study: Path) -> None:
    run("study", study)
    assert "nothing to go" in run("plan", study).out
    write_study(study.parent, data="seed = 3")
    shown = " ".join(run("plan", study).out.split())
    assert "note: the data changed (data.seed was 0, is 3; as many rows" in shown
    assert "4 records of before are not used" in shown


def test_a_changed_decision_is_named_by_its_setting(run: Run, study: Path) -> None:
    run("study", study)
    write_study(study.parent, decision='metric = "accuracy"')
    done = run("study", study)
    assert done.code == 2
    assert "decision.metric was 'balanced_accuracy', is 'accuracy' (4 records" in done.error
    assert done.error.endswith("restore [decision] as it was, or run the study into a new folder")
    assert "[decision] changed (decision.metric was" in run("plan", study).out


def test_the_table_fits_in_80_columns_with_the_longest_names(run: Run, study: Path) -> None:
    names = ("fedadam-pretrained", "finetune-lp-ft")
    arms = {"fedavg": FEDAVG, **{name: FINETUNE.replace("0.1", f"0.{i + 2}") for i, name in enumerate(names)}}
    write_study(study.parent, arms=arms, data="held_out_clients = 0.25")
    shown = run("study", study).out
    rows = [line for line in shown.splitlines() if len(line.split()) > 4 and line.split()[0] in arms]
    assert sorted(line.split()[0] for line in rows) == sorted(arms)
    assert max(len(line) for line in rows) <= 80
    assert "…" not in shown
    # Every row has a mean, both ends of its interval, and an effect, with three decimals.
    assert all(len(re.findall(r"[+-]?\d\.\d{3}\b", line)) == 4 for line in rows)


@pytest.mark.parametrize(
    ("command", "more"), [("plan", []), ("study", []), ("diagnose", []), ("study", ["--arm", "x"])]
)
def test_outputs_for_a_file_have_no_control_characters(run: Run, study: Path, command: str, more: list[str]) -> None:
    done = run(command, study, *more)
    text = done.out + done.err
    assert text
    assert not {character for character in text if ord(character) < 32} - {"\n"}


def test_a_second_time_says_that_all_is_kept(run: Run, study: Path) -> None:
    run("study", study, "--out", "here")
    before = Path("here/records.jsonl").read_bytes()
    done = run("study", study, "--out", "here")
    assert done.out.count("(kept)") == 4
    assert Path("here/records.jsonl").read_bytes() == before


def test_arms_and_seeds_are_selected(run: Run, study: Path) -> None:
    assert run("study", study, "--arm", "fedavg", "--seed", "1", "--out", "here").code == 0
    assert keys(Path("here")) == [("fedavg", 1)]


BAD = {
    "a missing file": (None, "error: study file: must exist, received '{study}'; check the path"),
    "no TOML": ("name = ", "error: {study}: is not valid TOML"),
    "a path of Windows": (
        r'data = "C:\data"',
        "error: {study}: is not valid TOML, received: Unescaped '\\' in a string (at line 1, column 13); mend "
        "that line (a path with backslashes stands in single quotes: 'C:\\data')",
    ),
    "a misspelt table": ("[decison]\nbaseline = 'fedavg'", "error: decison: unknown setting"),
    "a misspelt method": (
        {"arms": {"fedavg": 'start = "random"\nfederate = "fedavgg"'}},
        "error: arms.fedavg.federate: unknown method, received 'fedavgg'; did you mean 'fedavg'?",
    ),
    "a misspelt setting": (
        {"arms": {"fedavg": FEDAVG.replace("rounds", "round")}},
        "error: arms.fedavg.federate.round: unknown setting, received 3; did you mean 'rounds'?",
    ),
    "a bad value": (
        {"arms": {"fedavg": FEDAVG.replace("3", "-3")}},
        "error: arms.fedavg.federate.rounds: ",
    ),
    "missing data": ({"data": 'label = "animal"'}, "error: "),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("command", ["study", "plan", "diagnose"])
def test_bad_input_is_one_line_exit_code_2_and_nothing_written(run: Run, study: Path, command: str, case: str) -> None:
    change, message = BAD[case]
    if change is None:
        study = study.with_name("nowhere.toml")
    elif isinstance(change, str):
        study.write_text(change if "=" in change.splitlines()[0] else f"{study.read_text()}\n{change}")
    else:
        write_study(study.parent, **change)
    done = run(command, study)
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(message.format(study=study))
    assert nothing_written()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arm", "fedavgg"], "error: --arm: must be an arm of the study, received 'fedavgg'; did you mean 'fedavg'?"),
        (["--seed", "9"], "error: --seed: must be a seed of the study, received 9; valid: 0, 1"),
    ],
)
def test_an_unknown_arm_or_seed(run: Run, study: Path, arguments: list[str], message: str) -> None:
    done = run("study", study, *arguments)
    assert done.code == 2
    assert done.error.startswith(message)
    assert nothing_written()


def test_a_study_whose_arms_are_all_ruled_out(run: Run, study: Path) -> None:
    write_study(study.parent, more='[devices.phone]\nuplink = "none"')
    done = run("study", study)
    assert done.code == 2
    assert done.error.startswith("error: arms: every arm is ruled out (fedavg: device 'phone' has no uplink")
    assert nothing_written()


@pytest.mark.parametrize("arguments", [["studdy"], ["study"], ["study", "a", "b"], ["study", "--seed", "one", "a"]])
def test_wrong_usage_is_exit_code_2(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert "Usage: headstart" in done.err


def test_a_folder_that_cannot_be_made_is_one_line(run: Run, study: Path) -> None:
    Path("file").touch()
    done = run("study", study, "--out", "file/out")
    assert done.code == 1
    assert done.error.startswith("error: ")
    assert "file/out" in done.error


def test_memory_that_runs_out_beside_any_arm_is_one_line(
    run: Run, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 80 GiB")

    monkeypatch.setattr(Study, "plan", short)
    done = run("plan", study)
    assert done.code == 1
    assert done.error.startswith("error: the engine failed: memory ran out (MemoryError: Unable to allocate 80 GiB)")
    assert "Traceback" not in done.err


def test_another_decision_is_one_line(run: Run, study: Path) -> None:
    run("study", study, "--out", "here")
    write_study(study.parent, decision="min_effect = 0.3")
    done = run("study", study, "--out", "here")
    assert done.code == 2
    assert done.error.startswith("error: [decision]: the rule is fixed before the runs")


def test_a_stopped_arm_is_shown_with_its_reason(run: Run, study: Path) -> None:
    arms = {**ARMS, "wild": FEDAVG.replace("0.2", "1e38")}
    write_study(study.parent, arms=arms)
    done = run("study", study)
    assert done.code == 0
    assert "\nwild: stopped: round 1: 4 of 4 clients failed" in done.out
    assert "Traceback" not in done.err


def test_when_all_arms_stop_the_reasons_are_said_and_the_code_is_1(run: Run, study: Path) -> None:
    write_study(study.parent, arms={"fedavg": FEDAVG.replace("0.2", "1e38")})
    done = run("study", study)
    assert done.code == 1
    assert done.err.splitlines()[0] == "error: no arm was finished, so there is no verdict"
    assert done.err.splitlines()[1].startswith("error: fedavg: stopped: round 1: 4 of 4 clients failed")


def test_a_plan_shows_the_tree_and_writes_nothing(run: Run, study: Path) -> None:
    done = run("plan", study)
    assert (done.code, done.err) == (0, "")
    assert nothing_written()
    words = " ".join(done.out.split())
    assert "tiny: 2 arms × 2 seeds" in words
    parts = ("start random", "federate fedavg (rounds 3, client_lr 0.2)", "adapt keep", "adapt full_finetune")
    assert {part: words.count(part) for part in parts} == dict.fromkeys(parts, 1)
    assert max(len(line) for line in done.out.splitlines()) <= 80
    assert "fedavg-finetune" in done.out


def test_a_plan_says_what_can_be_decided(run: Run, study: Path) -> None:
    assert "can decide  nothing can be claimed of these 4 clients: it takes 3 seeds" in run("plan", study).out
    write_study(study.parent, seeds=range(5))
    shown = run("plan", study).out
    words = " ".join(shown.split())
    assert "can decide equal families would be decided at a min_effect of " in words
    assert "note min_effect is 2 points, at which equal families may stay undecided; a way out is " in words
    assert max(map(len, shown.splitlines())) <= 80
    write_study(study.parent, seeds=range(5), data="held_out_clients = 0.25", decision="min_effect = 0.5")
    shown = run("plan", study).out
    assert "for clients like these" in " ".join(shown.split())
    assert "may stay undecided" not in shown


def test_a_plan_says_what_noise_promises_before_anything_runs(run: Run, study: Path) -> None:
    noisy = "federate = { method = 'fedavg', rounds = 3, clip_norm = 0.5, noise_multiplier = 2.0 }"
    write_study(study.parent, arms={"fedavg": FEDAVG, "private": f'start = "random"\n{noisy}'})
    done = run("plan", study)
    assert (done.code, nothing_written()) == (0, True)
    words = " ".join(done.out.split())
    assert "private: epsilon 3.71 (delta 1e-05) for each of 4 clients with all that it holds: a reasonable" in words
    assert max(map(len, done.out.splitlines())) <= 80


def test_a_plan_says_nothing_of_metrics_whose_spread_is_not_known(run: Run, study: Path) -> None:
    write_study(study.parent, seeds=range(5), decision='metric = "log_loss"')
    assert "can decide" not in run("plan", study).out


def test_a_plan_knows_what_is_finished(run: Run, study: Path) -> None:
    run("study", study)
    assert run("plan", study).out.count("finished") == 4


def test_a_plan_names_what_is_ruled_out(run: Run, study: Path) -> None:
    write_study(study.parent, more='[devices.phone]\nuplink = "none"')
    done = run("plan", study)
    assert done.code == 0
    # Both for the same reason: one line.
    assert "fedavg, fedavg-finetune: ruled out: device 'phone' has no uplink" in " ".join(done.out.split())
    assert done.out.count("ruled out") == 1


def test_a_diagnosis_is_printed_and_runs_no_arm(run: Run, study: Path) -> None:
    done = run("diagnose", study)
    assert (done.code, done.err) == (0, "")
    parts = ("label skew", "quantity skew", "feature shift", "backbone", "ceiling", "foretold")
    assert [part for part in parts if part not in done.out] == []
    assert "None" not in done.out
    assert not Path("runs/tiny/records.jsonl").exists()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run folder."""
    from tiny_study import run_tiny

    folder = tmp_path_factory.mktemp("report")
    run_tiny(folder)
    return folder / "out"


@pytest.mark.parametrize(
    ("name", "arguments", "code", "words"),
    [
        ("better", ["federate"], 0, "yes: federate ("),
        ("better", ["fine-tune"], 1, "no: fine-tune ("),
        ("better", ["fine-tune", "--margin", "0.5"], 0, "post hoc"),
        ("no claim", ["both"], 1, "nothing can be claimed"),
    ],
)
def test_a_check_is_one_line_and_an_exit_code(
    run: Run, tmp_path: Path, name: str, arguments: list[str], code: int, words: str
) -> None:
    done = run("check", write_answered(tmp_path / "run", name), "--answer", *arguments)
    assert (done.code, done.err) == (code, "")
    (line,) = done.out.splitlines()
    assert words in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--answer", "both"], "error: 'nowhere' is no run folder"),
        (["run", "--answer", "share"], "error: --answer: must be a family, received 'share'; valid: "),
        (["run", "--answer", "both"], "error: --answer: no arm of 'both' can be judged: "),
        (["run", "--answer", "fine-tune", "--margin", "-1"], "error: --margin: must be at least 0, received -1.0"),
    ],
)
def test_a_check_of_what_is_not_there_is_exit_code_2(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    write_answered(tmp_path / "run", "only")
    monkeypatch.chdir(tmp_path)
    done = run("check", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(message)


@pytest.mark.parametrize("form", ["md", "json", "html"])
def test_a_report_is_written_and_named(run: Run, folder: Path, form: str) -> None:
    done = run("report", folder, "--format", form)
    assert (done.code, done.out.splitlines()) == (0, [str(folder / f"report.{form}")])
    assert (folder / f"report.{form}").stat().st_size > 500


@pytest.mark.parametrize(("form", "head"), [("png", b"\x89PNG"), ("svg", b"<svg")])
def test_figures_are_written_and_named(run: Run, folder: Path, form: str, head: bytes) -> None:
    done = run("report", folder, "--format", form)
    files = [Path(line) for line in done.out.splitlines()]
    assert done.code == 0
    assert len(files) >= 3
    assert all(file.read_bytes().startswith(head) for file in files)


def test_an_unknown_format_names_the_valid_ones(run: Run, folder: Path) -> None:
    done = run("report", folder, "--format", "pdf")
    assert done.code == 2
    assert done.error.startswith("error: --format: must name a format, received 'pdf'; ")
    assert all(form in done.error for form in ("html", "json", "md", "png", "svg"))


def test_a_folder_that_is_no_run(run: Run, tmp_path: Path) -> None:
    done = run("report", tmp_path)
    assert done.code == 2
    assert "is no run folder" in done.error
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore")  # TensorBoard's own imports warn.
def test_tensorboard_is_written_beside_the_run(run: Run, study: Path) -> None:
    pytest.importorskip("tensorboard")
    assert run("study", study, "--track", "tensorboard=board").code == 0
    assert {path.name for path in Path("board").iterdir()} == {f"{arm}-{seed}" for arm in ARMS for seed in (0, 1)}


def test_ctrl_c_keeps_finished_work(study: Path) -> None:
    arms = {"fedavg": FEDAVG, "long": FEDAVG.replace("rounds = 3", "rounds = 100000")}
    write_study(study.parent, arms=arms)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [COMMAND, "study", str(study), "--out", "here"]
    # A shell's background job ignores the signal, and so would what it starts.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    signal.signal(signal.SIGINT, before)
    with process:
        wait_for(lambda: Path("here/records.jsonl").exists() and len(keys(Path("here"))) == 2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "interrupted; finished work is kept: run the same command to go on\n"
    told = told_runs(out)
    # The second record may be there a moment before its line is.
    assert told in (["fedavg, seed 0"], ["fedavg, seed 0", "fedavg, seed 1"])
    assert keys(Path("here")) == [("fedavg", 0), ("fedavg", 1)]


def test_ctrl_c_prints_the_answer_so_far(run: Run, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Study, out: Path, **_: object) -> None:
        write_raced(out, GOING)
        raise KeyboardInterrupt

    monkeypatch.setattr(Study, "run", interrupted)
    done = run("study", study, "--out", "here")
    assert (done.code, done.err) == (130, "interrupted; finished work is kept: run the same command to go on\n")
    lines = done.out.splitlines()
    assert "So far: do both: federate, then fine-tune at each client" in lines
    words = " ".join(done.out.split())
    assert "Good start pays? not tested: fedavg from scratch was dropped: 41.2 points" in words
    assert "Left to run before the next look: 2 arms" in words
    assert max(map(len, lines)) <= 80


def test_ctrl_c_before_any_verdict_prints_no_answer(run: Run, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Study, "run", interrupted)
    done = run("study", study, "--out", "here")
    assert done.code == 130
    assert "far" not in done.out


@pytest.mark.parametrize("command", ["study", "demo"])
def test_the_page_is_opened_once_if_asked(run: Run, study: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    opened: list[str] = []

    def runs(self: Study, out: Path, *, page: Callable[[Path], None], **_: object) -> None:
        write_raced(Path(out), GOING)
        page(Path(out))
        page(Path(out))
        raise KeyboardInterrupt

    monkeypatch.setattr(Study, "run", runs)
    monkeypatch.setattr("webbrowser.open", lambda address: bool(opened.append(address)) or True)
    monkeypatch.setenv("BROWSER", "true")
    run(command, *([study] if command == "study" else []), "--out", "here", "--open")
    assert opened == [Path("here/report.html").resolve().as_uri()]


def told_runs(out: str) -> list[str]:
    """The arms and seeds in the order in which their lines came."""
    return re.findall(r"^ *(\S+, seed \d+):", out, re.MULTILINE)


def wait_for(happened: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
def test_the_demo_reaches_a_verdict_offline(tmp_path: Path) -> None:
    begin = time.monotonic()
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HEADSTART_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([COMMAND, "demo"], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    # Under 90 s on two free cores; the bound leaves room for a busy machine.
    assert time.monotonic() - begin < 300
    told = numbers(tmp_path / "runs" / "demo")
    assert told["verdict"]["recommended"]
    assert told["verdict"]["sentence"] in done.stdout
    assert (tmp_path / "runs" / "demo" / "report.html").stat().st_size > 10_000


def test_quiet_is_the_answer_in_a_line(study: Path) -> None:
    done = subprocess.run([COMMAND, "--quiet", "study", str(study)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.endswith("report.html)\n")


def test_no_colour_is_no_colour() -> None:
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": "80"}
    for flags, coloured in (([], True), (["--no-color"], False)):
        command = [COMMAND, *flags, "keys", "nothing"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert ("31m" in done.stderr) is coloured


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_commands(shell: str) -> None:
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    command = [COMMAND, "--show-completion", shell]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, "_HEADSTART_COMPLETE" in done.stdout) == (0, True), done.stderr


def test_the_version_is_printed() -> None:
    found = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, f"headstart {headstart.__version__}\n")
