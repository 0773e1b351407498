"""Signed cookies in Tornado with secrets by version. Prints the answers; `renew.py` keeps them."""

import record
import tornado.web
from signed import Reads, create, flips, read

SECRETS = {1: "the first secret", 2: "the second secret", 10: "the tenth secret"}


def of(version, **options):
    return create(secret=SECRETS, key_version=version, **options)


app = tornado.web.Application([(r"/signed", Reads)], cookie_secret=SECRETS, key_version=2)
requests = [
    record.request("GET", "/signed"),
    *(read(of(version)) for version in SECRETS),
    *(read(of(version, name="b"), "b", "?name=b") for version in SECRETS),
    *(read(of(version).replace("|1:%d|" % version, "|1:%d|" % other)) for version, other in ((1, 2), (2, 1), (1, 3))),
    read(of(10).replace("|2:10|", "|2:11|")),
    read(of(10).replace("|2:10|", "|3:010|")),
    read(create(secret=SECRETS[1])),
    read(create(secret=SECRETS[2], key_version=2)),
    read(create(secret="another secret", key_version=2)),
    read(create(secret="another secret", key_version=7)),
    read(create(secret={7: "a secret that is gone"}, key_version=7)),
    *(read(other) for other in flips(of(1), 5)),
]
record.run(app, requests)
