"""Runs cases of Autobahn, and counts: `autobahn.py run CASES URL` against a server. `autobahn.py serve CASES PORT URL`
serves them on this port to a client, which the handler at the URL opens. `autobahn.py port` finds a port that is free, and
`autobahn.py list CASES` names the cases. `.ci/autobahn` starts the other side."""

import asyncio
import collections
import os
import socket
import ssl
import subprocess
import sys
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

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
    """Groups 12 and 13 hash what comes back. What came uncompressed is given to them as text, which has no hash. And a
    server may ask a client to compress each message by itself, whether or not its offer names that (RFC 7692, section
    7.1.1.2). The tool lets cases do so only if it does; Autobahn always lets them."""
    from kosoku._kosoku import PerMessageDeflateOffer as Offer

    def on_message(inner):
        def received(self, message, binary):
            if isinstance(message, str):
                message = message.encode("latin-1" if binary else "utf-8")
            inner(self, message, binary)

        return received

    def server_accept(inner):
        def accept(self, offers):
            each = [
                Offer(True, offer.acceptMaxWindowBits, offer.requestNoContextTakeover, offer.requestMaxWindowBits)
                for offer in offers
            ]
            return inner(self, each)

        return accept

    for name, case in cases.items():
        if name.split(".")[0] in ("12", "13"):
            case.onMessage = on_message(case.onMessage)
            case.SERVER_ACCEPT = server_accept(case.SERVER_ACCEPT)


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

    # Nothing else keeps them until they end.
    tasks = set()

    def begin(reader, writer):
        task = asyncio.create_task(connected(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def run(url, cases):
    """All results, whether cases fail or not."""
    from kosoku import FailureError, run_fuzzingclient

    try:
        return await run_fuzzingclient(url, cases, concurrency=os.cpu_count() or 1)
    except FailureError as failure:
        return failure.results


async def serve(port, agent, cases):
    """All results of the client that echoes, whether cases fail or not."""
    from kosoku import FailureError, run_fuzzingserver

    turns = asyncio.Semaphore(os.cpu_count() or 1)

    def echo(place):
        # Compression is offered. The longest message has 16 MiB, and no case takes longer than 8 minutes.
        url = f"ws://127.0.0.1:{port}{place}"
        query = {"url": url, "level": 6, "max_message_size": 20_000_000, "do": "echo"}
        with urlopen(f"{agent}?{urlencode(query)}", timeout=600) as answer:
            answer.read()

    async def take(number, case):
        async with turns:
            try:
                await asyncio.to_thread(echo, f"/runCase?case={number}&agent=waterspout")
            except OSError as error:
                print(f"{case}: {error}", file=sys.stderr)

    async with run_fuzzingserver(cases, host="127.0.0.1", port=port) as server:
        await asyncio.gather(*(take(number, case) for number, case in enumerate(cases, 1)))
        # That was all of them.
        await asyncio.to_thread(echo, "/updateReports?agent=waterspout")
        try:
            return await server.get_result()
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


def against(url, cases):
    """All results of this server."""
    parts = urlsplit(url)
    if parts.scheme != "wss":
        return asyncio.run(run(url, cases))
    # The tool has no TLS. In a process of its own, because the tool keeps this one busy.
    forwarder = subprocess.Popen(
        [sys.executable, __file__, "forward", parts.netloc], stdout=subprocess.PIPE, text=True
    )
    try:
        port = forwarder.stdout.readline().strip()
        return asyncio.run(run(f"ws://127.0.0.1:{port}{parts.path}", cases))
    finally:
        forwarder.kill()


def main():
    command, *arguments = sys.argv[1:]
    if command == "forward":
        return asyncio.run(forward(arguments[0]))
    if command == "port":
        with socket.create_server(("127.0.0.1", 0)) as free:
            return print(free.getsockname()[1])
    from kosoku.cases import CASES

    chosen = selected(arguments[0], CASES)
    if command == "list":
        return print(*chosen, sep="\n")
    mend(CASES)
    if command == "serve":
        results = asyncio.run(serve(int(arguments[1]), arguments[2], chosen))
    else:
        results = against(arguments[1], chosen)
    bad = report(results)
    missing = set(chosen) - {result.case_id for result in results}
    if missing:
        print(f"{len(missing)} of {len(chosen)} cases have no result")
    sys.stdout.flush()
    # The tool may abort when Python ends in the usual way.
    os._exit(1 if bad or missing else 0)


main()
