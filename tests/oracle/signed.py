"""Signed cookies in Tornado: what is read of them, and what is refused. Prints the answers; `renew.py` keeps them."""

import record
import tornado.web

SECRET = "the secret of the record"
NOW = 1700000000
FOREVER = 36500


class Reads(tornado.web.RequestHandler):
    """Reads the cookie that the query names."""

    def get(self):
        name = self.get_argument("name", "a")
        max_age_days = float(self.get_argument("max_age_days", str(FOREVER)))
        min_version = self.get_argument("min_version", None)
        value = self.get_signed_cookie(
            name, max_age_days=max_age_days, min_version=min_version and int(min_version)
        )
        record.show(
            self,
            [
                None if value is None else record.latin1(value),
                self.get_signed_cookie_key_version(name),
            ],
        )


def create(value="42", name="a", version=2, now=NOW, secret=SECRET, key_version=None):
    signed = tornado.web.create_signed_value(
        secret, name, value, version=version, clock=lambda: now, key_version=key_version
    )
    return record.latin1(signed)


def read(signed, name="a", query=""):
    # Quoted as `set_cookie` does it.
    return record.request("GET", "/signed" + query, headers=['Cookie: %s="%s"' % (name, signed)])


def flipped(signed, at, bit):
    char = chr(ord(signed[at]) ^ bit)
    # What can't stand in a header, or ends a cookie, is not asked.
    return None if char in '";\\' or not "!" <= char <= "~" else signed[:at] + char + signed[at + 1 :]


def flips(signed, every):
    for at in range(0, len(signed), every):
        for bit in (1, 32):
            if other := flipped(signed, at, bit):
                yield other


if __name__ == "__main__":
    app = tornado.web.Application([(r"/signed", Reads)], cookie_secret=SECRET)
    two, one = create(), create(version=1)
    requests = [
        record.request("GET", "/signed"),
        record.request("GET", "/signed", headers=["Cookie: a=" + two]),
        *(
            read(create(value))
            for value in ("", "4", "42", "a b;c", "\u00fc\u4e16", bytes(range(256)), b"x" * 3000, "|", "2|1:0")
        ),
        *(read(create(value, version=1)) for value in ("", "4", "42", "a b;c", "\u00fc", bytes(range(256)))),
        *(read(create(name=name), name, "?name=" + name) for name in ("b", "a-b", "user", "A1")),
        *(read(create(name=name)) for name in ("b", "A", "aa", "")),
        *(read(create(name=name, version=1)) for name in ("b", "A", "aa")),
        # What has changed on its way.
        *(read(other) for other in flips(two, 2)),
        *(read(other) for other in flips(one, 3)),
        *(read(signed[:at]) for signed in (two, one) for at in range(0, len(signed), 9)),
        *(read(signed + more) for signed in (two, one) for more in ("0", "|", "=", " ")),
        *(read(more + signed) for signed in (two, one) for more in ("0", "1", "2|", "|")),
        read(two.upper()),
        read(two[:-64] + two[-64:].upper()),
        read(two.replace("2|1:0", "2|2:00")),
        read(two.replace("2|1:0", "2|1:1")),
        read(two.replace("2|1:0", "02|1:0")),
        read(two.replace("2|1:0", "3|1:0")),
        read(two.replace("2|1:0", "1000|1:0")),
        read(two.replace("2|1:0", "2|9:0")),
        read(two.replace("2|1:0", "2|-1:0")),
        read(two.replace("2|1:0", "2|:0")),
        read(two.replace("2|1:0", "2|99999999999999999999:0")),
        read(create(secret="another secret")),
        read(create(secret="another secret", version=1)),
        # What a client makes up.
        *(
            read(text)
            for text in ("", "2", "2|", "2||||", "1|2|3", "a|b|c", "42", "NDI=", "2|1:0|1:1|1:a|0:|", "|||", "||")
        ),
        # Its time.
        *(read(create(now=now)) for now in (0, 1, 1000000000, NOW - 1)),
        *(read(create(), query="?max_age_days=" + days) for days in ("0", "1", "31", "0.5", "36500")),
        *(read(create(version=1), query="?max_age_days=" + days) for days in ("0", "31", "36500")),
        *(read(create(version=1, now=now)) for now in (4000000000, 99999999999)),
        # Its format.
        *(read(create(version=version), query="?min_version=%d" % least) for version in (1, 2) for least in (1, 2)),
    ]
    record.run(app, requests)
