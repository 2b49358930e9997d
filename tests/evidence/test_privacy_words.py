"""An epsilon in words: of whom, of what, and what it is worth."""

import pytest

from headstart.evidence.privacy_words import (
    OF_EXAMPLES,
    OVER_SITES,
    SIMULATED,
    privacy_lines,
    privacy_note,
    privacy_words,
    weakest,
)

ONE = {"epsilon": 0.5, "delta": 1e-05, "clients": 1000, "runs": 1, "all_runs": 0.5}


@pytest.mark.parametrize(
    ("epsilon", "shown", "worth"),
    [
        (0.5, "0.5", "a strong promise"),
        (1.0, "1", "a strong promise"),
        (7.046, "7.05", "a reasonable promise"),
        (10.01, "10", "next to no promise (more clients,"),
        (3844.4, "3844", "next to no promise (more clients,"),
    ],
)
def test_the_worth_of_an_epsilon_is_said(epsilon: float, shown: str, worth: str) -> None:
    words = privacy_words({**ONE, "epsilon": epsilon, "all_runs": epsilon})
    assert words.startswith(f"epsilon {shown} (delta 1e-05) for each of 1000 clients with all that it holds: {worth}")


def test_trials_count_and_the_worth_is_that_of_all_of_them() -> None:
    words = privacy_words({**ONE, "runs": 8, "all_runs": 1.6})
    assert "epsilon 0.5 " in words
    assert "; 1.6 for the 8 runs together by which its settings were chosen: a reasonable promise" in words


def test_a_stage_without_noise_is_named() -> None:
    words = privacy_words({**ONE, "epsilon": None, "all_runs": None})
    assert words == "nothing is promised to a client: a federated stage has no noise"


def test_the_weakest_promise_is_the_one_without_a_number() -> None:
    nothing = {**ONE, "epsilon": None, "all_runs": None}
    assert weakest([ONE, nothing, {**ONE, "all_runs": 9.0}]) is nothing
    assert [*privacy_lines({"a": ONE, "b": nothing})] == [("a", privacy_words(ONE)), ("b", privacy_words(nothing))]


def test_over_sites_the_servers_epsilon_is_said_too() -> None:
    words = privacy_words({**ONE, "to_server": 1.9})
    assert words.endswith("with all that it holds; 1.9 towards the server, which sees each update: a strong promise")
    notes = [privacy_note(arms) for arms in ({}, {"a": ONE}, {"a": {**ONE, "own_noise": True}})]
    assert notes == ["", SIMULATED, OVER_SITES]


EACH = {
    "epsilon": 2.0,
    "delta": 1e-05,
    "clients": 12,
    "examples": 80,
    "runs": 1,
    "all_runs": 2.0,
    "own_noise": False,
    "of": "examples",
}


def test_what_is_promised_of_single_examples_is_said_so() -> None:
    assert privacy_words(EACH) == "epsilon 2 (delta 1e-05) for each single example of 12 clients: a reasonable promise"
    often = privacy_words({**EACH, "runs": 4, "all_runs": 20.0})
    assert "; 20 for the 4 runs together" in often
    assert often.endswith("next to no promise (more examples, fewer passes or more noise make it one)")
    bare = privacy_words({**EACH, "epsilon": None, "all_runs": None})
    assert bare == "nothing is promised to an example: a stage reads examples without noise"


def test_an_arm_may_promise_both() -> None:
    words = privacy_words({**ONE, "examples_too": EACH})
    assert words.endswith(
        "a strong promise. Also epsilon 2 (delta 1e-05) for each single example of 12 clients: a reasonable promise"
    )


def test_what_is_not_in_it_is_said_where_examples_are_promised_anything() -> None:
    assert privacy_note({"a": EACH}) == f"{SIMULATED} {OF_EXAMPLES}"
    assert privacy_note({"a": {**EACH, "own_noise": True}}) == f"{OVER_SITES} {OF_EXAMPLES}"
    assert privacy_note({"a": ONE}) == SIMULATED
