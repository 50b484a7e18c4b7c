"""Times the reading of mail bodies against plain text alone of the same bodies, in the same run.

    python -m benchmarks.mail_bodies [--rounds 5] [--copies 20]

The reference is plain_text.html_to_text, which neither makes HTML safe to show nor parts answers from quotes nor tells
the language; the ratio is what those cost. The bodies are the samples of the tests, each as one mail and as the last of
a long thread, and the real mails of the shared corpus where that lies beside the checkout. Each round times both, and
the median counts. The 99th percentile is that of single mails over all rounds.
"""

from __future__ import annotations

import argparse
import email
import email.policy
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ibhelm_pipelines.mail_body import read_body
from ibhelm_pipelines.plain_text import html_to_text

REPOSITORY = Path(__file__).resolve().parents[1]
CORPUS = REPOSITORY.parent / "shared" / "corpus"


def sample_bodies() -> list[str]:
    """What the tests' mails say, alone and above 5, 20 and 60 earlier ones."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from mail_samples import BILL, SAMPLES, WORD  # noqa: PLC0415

    alone = [*SAMPLES.values(), BILL]
    return alone + [WORD.replace("</body></html>", "") + WORD * earlier for earlier in (5, 20, 60)]


def corpus_bodies() -> list[str]:
    """Every text of every mail, and the mails that lie there as bare HTML."""
    found = [path.read_bytes().decode("utf-8", "replace") for path in sorted((CORPUS / "text").glob("*.htm*"))]
    for path in sorted((CORPUS / "mail").iterdir()):
        for part in email.message_from_bytes(path.read_bytes(), policy=email.policy.compat32).walk():
            payload = part.get_payload(decode=True) if part.get_content_maintype() == "text" else None
            if isinstance(payload, bytes):
                found.append(payload.decode("utf-8", "replace"))
    return [body for body in found if can_be_compared(body)]


def can_be_compared(body: str) -> bool:
    """Tell whether the reference reads a body: html.parser raises on "<![" before what is no name."""
    try:
        html_to_text(body)
    except AssertionError:
        return False
    return True


def timed(read: Callable[[str], object], bodies: list[str]) -> list[float]:
    """Seconds of each body."""
    seconds = []
    for body in bodies:
        started = time.perf_counter()
        read(body)
        seconds.append(time.perf_counter() - started)
    return seconds


def measure(name: str, bodies: list[str], rounds: int) -> None:
    ratios, rates, single = [], [], []
    for _ in range(rounds):
        plain, whole = timed(html_to_text, bodies), timed(read_body, bodies)
        ratios.append(sum(whole) / sum(plain))
        rates.append(len(bodies) / sum(whole))
        single += whole
    size = sum(map(len, bodies))
    rate, p99 = statistics.median(rates), statistics.quantiles(single, n=100)[98]
    print(
        f"{name}: {len(bodies)} bodies, {size / len(bodies) / 1000:.1f} KB on average: {rate:.0f} mails/s,"
        f" {rate * size / len(bodies) / 1e6:.1f} MB/s, median {statistics.median(single) * 1000:.2f} ms,"
        f" p99 {p99 * 1000:.1f} ms, slowest {max(single) * 1000:.0f} ms;"
        f" median {statistics.median(ratios):.1f} x html_to_text"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copies", type=int, default=20, help="how often the samples are read in a round")
    args = parser.parse_args()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    read_body("Anbei der geänderte Plan mit der Bitte um Freigabe.")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    print(f"first mail: {time.perf_counter() - started:.2f} s with loading the model of languages, {grown} MiB")
    measure("samples", sample_bodies() * args.copies, args.rounds)
    if CORPUS.is_dir():
        measure("corpus", corpus_bodies(), args.rounds)


if __name__ == "__main__":
    main()
