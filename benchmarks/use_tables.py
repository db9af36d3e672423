"""Tables of measurements of models in use: the same answers everywhere, a server that is killed, load."""

from collections.abc import Callable
from statistics import median

from benchmarks.record import Result


def _same_answers(result: Result) -> str:
    figures = result["figures"]
    lines = [
        "### The same answers through every way in\n",
        f"Largest difference of a probability from the predictions that training stored, over the {figures['clips']} "
        f"test clips of a fold of {figures['corpus']}, whose speakers the model never heard. "
        f"Command: `{result['command']}`.",
        "",
        "| way in | largest difference |",
        "|---|---|",
    ]
    lines += [f"| {name} | {difference:.1e} |" for name, difference in figures["largest_difference"].items()]
    return "\n".join([*lines, ""])


def _serve_kills(result: Result) -> str:
    return _killed(result, "server", ended="ended", again="It was ready again")


def _serve_worker_kills(result: Result) -> str:
    return _killed(result, "worker", ended="a worker of it ended", again="Another worker was in its place")


def _killed(result: Result, name: str, *, ended: str, again: str) -> str:
    figures = result["figures"]
    kills = f"{figures['kills']} times at random moments"
    lines = [
        f"### A {name} that is killed\n",
        f"`merflow serve` under {figures['clients']} clients, {ended} by SIGKILL {kills}. {again} after "
        f"{figures['longest_start_s']:.1f} s at most. Command: `{result['command']}`.",
        "",
        "| outcome of a request | requests |",
        "|---|---|",
    ]
    outcomes = {"right": 0, "failed visibly": 0, "wrong": 0, **figures["outcomes"]}
    lines += [f"| {name} | {count} |" for name, count in outcomes.items()]
    return "\n".join([*lines, ""])


def _serve(result: Result) -> str:
    figures = result["figures"]
    lines = [
        "### Load\n",
        "`merflow serve` and `mlflow models serve` of the same version, a small model of the synthetic corpus, on two "
        f"cores that the clients share. The servers took turns: {figures['turns']} turns of {figures['requests']} "
        "requests per row. merflow also measures every clip for its warnings, which MLflow's server does not. "
        f"Command: `{result['command']}`.",
        "",
        "| server | clients | requests per s | p50 ms | p95 ms | p99 ms | errors | processor ms per request |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, server in figures["load"].items():
        lines += [
            f"| {name} | {clients} | {load['per_s']} | {load['p50_ms']} | {load['p95_ms']} | {load['p99_ms']} | "
            f"{load['errors']} | {load['cpu_ms']} |"
            for clients, load in sorted(server.items(), key=lambda row: int(row[0]))
        ]
    lines += ["", "| clients | throughput of merflow divided by MLflow's: median | lowest turn | highest turn |"]
    lines += ["|---|---|---|---|"]
    for clients, ratios in sorted(figures["throughput_ratios"].items(), key=lambda row: int(row[0])):
        lines.append(f"| {clients} | {median(ratios):.2f} | {min(ratios):.2f} | {max(ratios):.2f} |")
    starts = ", ".join(
        f"{name} is ready after {start['ready_s']:.1f} s and has answered after {start['first_answer_s']:.1f} s"
        for name, start in figures["start"].items()
    )
    memory = figures["memory"]
    return "\n".join(
        [
            *lines,
            "",
            f"From a cold start, {starts}. Resident memory of merflow's {memory['processes']} processes together: "
            f"{memory['before_mib']} MiB, and {memory['after_mib']} MiB {memory['requests']} requests later, of which "
            f"{memory['errors']} failed.",
            "",
        ]
    )


USE: dict[str, Callable[[Result], str]] = {
    "same_answers": _same_answers,
    "serve_kills": _serve_kills,
    "serve_worker_kills": _serve_worker_kills,
    "serve": _serve,
}
