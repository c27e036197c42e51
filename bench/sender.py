"""This is where the benchmark sends its mails: many on each of a few connections, as cheaply as Python can.

A process of its own: ``python -m bench.sender HOST PORT COUNT``; prints a line of JSON. A mail counts once it has its 250.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from typing import Any

from bench.mails import RECIPIENT, Mail, mails


async def connection(
    host: str, port: int, batch: list[Mail], took: list[float], at: dict[str, float], gap: float, first: float
) -> Counter[str]:
    """Send these mails over one connection, MAIL, RCPT and DATA pipelined (RFC 2920); counts them by reply.

    ``at`` gets when each Message-ID had its 250 (seconds since the epoch). ``gap`` is the time from one mail to the next,
    beginning after ``first`` (seconds; 0: as fast as it goes).
    """
    reader, writer = await asyncio.open_connection(host, port, limit=2**16)
    results: Counter[str] = Counter()
    try:
        await reader.readline()
        writer.write(b"EHLO bench.example\r\n")
        while (await reader.readline())[3:4] == b"-":
            pass
        start = time.perf_counter() + first
        for number, mail in enumerate(batch):
            if gap:
                await asyncio.sleep(max(0.0, start + number * gap - time.perf_counter()))
            began = time.perf_counter()
            writer.write(f"MAIL FROM:<{mail.sender}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n".encode())
            replies = [await reader.readline() for _ in range(3)]
            if not replies[2].startswith(b"354"):
                results[replies[2][:3].decode() or "cut"] += 1
                break
            writer.write(mail.wire)
            await writer.drain()
            reply = await reader.readline()
            took.append(time.perf_counter() - began)
            at[mail.message_id] = time.time()
            results[reply[:3].decode() or "cut"] += 1
        writer.write(b"QUIT\r\n")
        await reader.readline()
    finally:
        writer.close()
    return results


async def send(
    host: str, port: int, count: int, connections: int, run: str, only: str = "", pace: float = 0.0
) -> dict[str, Any]:
    """Send ``count`` mails, ``pace`` a second (0: as many as are taken); returns how many were accepted, in what time, how
    long one took, and when each had its 250."""
    each = [count // connections + (number < count % connections) for number in range(connections)]
    batches = [list(mails(share, run, number, only)) for number, share in enumerate(each)]
    took: list[float] = []
    began_at, began = time.time(), time.perf_counter()
    at: dict[str, float] = {}
    gap = connections / pace if pace else 0.0
    counted = await asyncio.gather(
        *(connection(host, port, batch, took, at, gap, gap * number / connections) for number, batch in enumerate(batches))
    )
    seconds = time.perf_counter() - began
    results = sum(counted, Counter[str]())
    took.sort()
    return {
        "sent": count,
        "accepted": results["250"],
        "began": began_at,
        "seconds": round(seconds, 3),
        "rate": round(results["250"] / seconds, 1),
        "megabytes": round(sum(len(mail.wire) for batch in batches for mail in batch) / 1e6, 1),
        "p50_ms": round(took[len(took) // 2] * 1000, 1) if took else None,
        "p99_ms": round(took[len(took) * 99 // 100] * 1000, 1) if took else None,
        "at": at,
        "others": {code: number for code, number in results.items() if code != "250"},
    }


def main() -> None:
    """Read the arguments, send, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.sender", description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--run", default="run", help="part of every Message-ID: another one makes other mails")
    parser.add_argument("--only", default="", help="one kind: plain, alternative, answer, attachment, large")
    parser.add_argument("--pace", type=float, default=0.0, help="mails a second; 0: as many as are taken")
    given = parser.parse_args()
    result = send(given.host, given.port, given.count, given.connections, given.run, given.only, given.pace)
    print(json.dumps(asyncio.run(result)))


if __name__ == "__main__":
    main()
