"""Runs cases of Autobahn against one server, and counts: `autobahn.py run CASES URL`. `autobahn.py list CASES` names them.
`.ci/autobahn` starts the server."""

import asyncio
import collections
import os
import ssl
import subprocess
import sys
from urllib.parse import urlsplit

GOOD = {"OK", "INFORMATIONAL"}


def selected(cases, all_cases):
    """The names of the cases that `1-3,9.1` means."""
    chosen = []
    for part in cases.split(","):
        first, _, last = part.strip().partition("-")
        try:
            groups = [str(group) for group in range(int(first), int(last) + 1)] if last else [first]
        except ValueError:
            sys.exit(f"{part!r} is no range of groups")
        found = [
            case
            for case in all_cases
            if any(case == group or case.startswith(group + ".") for group in groups)
        ]
        if not found:
            sys.exit(f"no case is meant by {part!r}")
        chosen += [case for case in found if case not in chosen]
    return chosen


def mend(cases):
    """Groups 12 and 13 hash what comes back. What came uncompressed is given to them as text, which has no hash."""
    for name, case in cases.items():
        if name.split(".")[0] in ("12", "13"):

            def on_message(self, message, binary, inner=case.onMessage):
                if isinstance(message, str):
                    message = message.encode("latin-1" if binary else "utf-8")
                inner(self, message, binary)

            case.onMessage = on_message


async def forward(address):
    """Accepts plain connections, and passes what they send on by TLS. Any certificate is right."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    async def pump(reader, writer):
        try:
            while piece := await reader.read(1 << 16):
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def connected(reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port), ssl=context)
        except OSError as error:
            print(f"no TLS with {address}: {error}", file=sys.stderr)
            return writer.close()
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def run(url, cases):
    """All results, whether cases fail or not."""
    from kosoku import FailureError, run_fuzzingclient

    try:
        return await run_fuzzingclient(url, cases, concurrency=os.cpu_count() or 1)
    except FailureError as failure:
        return failure.results


def report(results):
    """Prints how many cases of each group came out how, and those that did not come out well."""
    behaviours = ["OK", "INFORMATIONAL", "NON-STRICT", "UNIMPLEMENTED", "FAILED", "ERROR"]
    counts = collections.defaultdict(collections.Counter)
    bad = []
    for result in results:
        behaviour, close = result.behavior.value, result.behavior_close.value
        for row in (result.case_id.split(".")[0], "all"):
            counts[row][behaviour] += 1
        if behaviour not in GOOD or close not in GOOD:
            bad.append(
                f"{result.case_id}: {behaviour}, close {close}, code {result.remote_close_code}: "
                f"{result.result} / {result.result_close}"
            )
    print(f"{'group':>5}", *(f"{name:>13}" for name in behaviours))
    for row, counted in counts.items():
        if row != "all":
            print(f"{row:>5}", *(f"{counted[name]:>13}" for name in behaviours))
    print(f"{'all':>5}", *(f"{counts['all'][name]:>13}" for name in behaviours))
    print(*bad, sep="\n", end="\n" if bad else "")
    return bad


def main():
    command, argument, *rest = sys.argv[1:]
    if command == "forward":
        return asyncio.run(forward(argument))
    from kosoku.cases import CASES

    chosen = selected(argument, CASES)
    if command == "list":
        return print(*chosen, sep="\n")
    [url] = rest
    mend(CASES)
    parts = urlsplit(url)
    forwarder = None
    if parts.scheme == "wss":
        # The tool has no TLS. In a process of its own, because the tool keeps this one busy.
        forwarder = subprocess.Popen(
            [sys.executable, __file__, "forward", parts.netloc], stdout=subprocess.PIPE, text=True
        )
        port = forwarder.stdout.readline().strip()
        url = f"ws://127.0.0.1:{port}{parts.path}"
    try:
        results = asyncio.run(run(url, chosen))
    finally:
        if forwarder:
            forwarder.kill()
    bad = report(results)
    missing = len(chosen) - len(results)
    if missing:
        print(f"{missing} of {len(chosen)} cases have no result")
    sys.stdout.flush()
    # The tool may abort when Python ends in the usual way.
    os._exit(1 if bad or missing else 0)


main()
