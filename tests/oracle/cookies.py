"""Cookies of requests in Tornado. Prints the answers; `renew.py` keeps them."""

import record
import tornado.web


class Cookies(tornado.web.RequestHandler):
    def get(self):
        record.show(self, [[name, self.get_cookie(name)] for name in sorted(self.cookies)])


app = tornado.web.Application([(r"/cookies", Cookies)])

requests = [
    record.request("GET", "/cookies"),
    *(
        record.request("GET", "/cookies", headers=["Cookie: " + cookies])
        for cookies in (
            "a=1",
            "a=1; b=2",
            "a=1;b=2",
            "a=1 ;  b=2 ;",
            "a=1, b=2",
            "a=1; a=2",
            "b=2; a=1; b=3",
            "a=",
            'a=""',
            "a = 1",
            "a=b=c",
            "a==",
            "A=1; a=2",
            "rubbish; a=1",
            "; ;a=1;;",
            "=1; a=2",
            "",
            ";",
            # Quotes.
            'a="1"',
            'a="1 2"',
            'a="1',
            'a=1"',
            'a="',
            'a="1"2',
            "a='1'",
            'a=" 1 "',
            'a="1;2"; b=3',
            'a="1\\0732"',
            'a="1\\"2"',
            'a="1\\\\2"',
            'a="\\303\\251"',
            'a="\\351"',
            'a="\\073\\054\\040"',
            'a="\\07"',
            'a="\\999\\x"',
            'a="\\"',
            "a=1\\0732",
            'a="\\"1\\"" ; b="\\\\"',
            # Not decoded.
            "a=%20",
            "a=1+2",
            "a=%E2%82%AC",
            # What others set.
            "_ga=GA1.2.3.4; __utma=1.2.3; PHPSESSID=x; csrftoken=abc-_~",
            "a.b=1; a-b=2; a_b=3; a!b=4; a:b=5; a|b=6",
            "$Version=1; a=2; $Path=/",
            "a=1\t; b=\t2",
            'user="2|1:0|10:1700000000|4:user|8:Ym9i|0123abcd"',
        )
    ),
]

record.run(app, requests)
