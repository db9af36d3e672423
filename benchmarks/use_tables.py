"""Tables of measurements of models in use: the same answers everywhere, a server that is killed, load."""

from collections.abc import Callable

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
    figures = result["figures"]
    kills = f"{figures['kills']} times at random moments"
    lines = [
        "### A server that is killed\n",
        f"`merflow serve` under {figures['clients']} clients, ended by SIGKILL {kills}. It was ready again after "
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
        "`merflow serve` and `mlflow models serve` of the same version, a small model of the synthetic corpus, one "
        f"after the other on two cores that the clients share; {figures['requests']} requests per row. merflow also "
        f"measures every clip for its warnings, which MLflow's server does not. Command: `{result['command']}`.",
        "",
        "| server | clients | requests per s | p50 ms | p95 ms | p99 ms | errors | processor ms per request |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, server in figures["servers"].items():
        lines += [
            f"| {name} | {clients} | {load['per_s']} | {load['p50_ms']} | {load['p95_ms']} | {load['p99_ms']} | "
            f"{load['errors']} | {load['cpu_ms']} |"
            for clients, load in sorted(server["load"].items(), key=lambda row: int(row[0]))
        ]
    by_clients = sorted(figures["throughput_ratios"].items(), key=lambda row: int(row[0].split()[0]))
    ratios = ", ".join(f"{ratio:.2f} with {name}" for name, ratio in by_clients)
    return "\n".join([*lines, "", f"Throughput of merflow divided by MLflow's: {ratios}.", ""])


USE: dict[str, Callable[[Result], str]] = {
    "same_answers": _same_answers,
    "serve_kills": _serve_kills,
    "serve": _serve,
}
