"""Forms with files in Tornado. Prints the answers; `renew.py` keeps them."""

import record
import tornado.web


class Form(tornado.web.RequestHandler):
    """Says all that is in a form."""

    def post(self):
        arguments, files = self.request.body_arguments, self.request.files
        arguments = [[name, list(map(record.latin1, arguments[name]))] for name in sorted(arguments)]
        show = lambda file: [file.filename, file.content_type, record.latin1(file.body)]
        record.show(self, [arguments, [[name, list(map(show, files[name]))] for name in sorted(files)]])

    put = patch = delete = get = post


app = tornado.web.Application([(r"/form", Form)])

MULTIPART = "multipart/form-data; boundary=x"


def form(body, content_type=MULTIPART, method="POST", more=()):
    return record.request(method, "/form", headers=["Content-Type: " + content_type, *more], body=body)


def part(disposition, content="1", more="", boundary="x"):
    return "--%s\r\nContent-Disposition: %s%s\r\n\r\n%s\r\n" % (boundary, disposition, more, content)


def named(rest, **options):
    return part("form-data; name=a" + rest, **options)


A = named("")
END = "--x--\r\n"

requests = [
    # Names.
    *(
        form(part("form-data; " + names) + END)
        for names in (
            "name=a",
            'name="a"',
            'name="a b"',
            'name=" a "',
            'name="a;b"',
            'name="a=b"',
            'name="a\\"b"',
            'name="a\\\\b"',
            'name="a%22b"',
            'name="a%20b"',
            'name="\xc3\xa9"',
            'name="\xff"',
            'NAME="a"',
            'name = "a"',
            'name="a" ',
            'name="a";',
            'name=""',
            "name",
            "name=",
            'x=1; name="a"; y="2"',
            'xname="b"; name="a"',
            'x="; name=b"; name="a"',
            'filename="; name=b"; name="a"',
            'filename="b"',
        )
    ),
    # Names of files.
    *(
        form(named("; " + names) + END)
        for names in (
            'filename="b.txt"',
            "filename=b.txt",
            'filename=""',
            "filename",
            'filename=" "',
            'filename="b c;d=e.txt"',
            'filename="b\\"c.txt"',
            'filename="C:\\\\b.txt"',
            'filename="C:\\b.txt"',
            'filename="\xe2\x82\xac.txt"',
            'filename="%E2%82%AC.txt"',
            'FileName="b.txt"',
            'filename = "b.txt"',
            "filename*=UTF-8''%E2%82%AC.txt",
            "filename*=utf-8'en'b%20c.txt",
            "filename*=iso-8859-1''%A3.txt",
            "filename*=UTF-8''",
            'filename="E.txt"; filename*=UTF-8\'\'%E2%82%AC.txt',
            'xfilename="c"; filename="b"',
            'filename="b',
            'filename=b"',
            'filename="b" c',
            "filename=b c",
            'filename="b\\"',
            'filename="b\tc"',
            "filename=b; filename=c",
            "name=b",
        )
    ),
    # Parts.
    *(
        form(body)
        for body in (
            END,
            A + END,
            A + A + END,
            named("", content="") + END,
            named("", content="\r\n") + END,
            named("", content="\r\n\r\n") + END,
            named("", content="\0\xff") + END,
            named("", content="--x-") + END,
            named("", content="-" * 100) + END,
            named("", content="1\n--x\n2") + END,
            named("", content="1--x--2") + END,
            named("", more="\r\nContent-Type: text/plain") + END,
            named('; filename="b"', more="\r\nContent-Type: text/plain; charset=utf-8") + END,
            named('; filename="b"', more="\r\nContent-Type:") + END,
            named('; filename="b"', more="\r\nContent-Type: ") + END,
            named('; filename="b"', more="\r\nContent-Type: no type") + END,
            named('; filename="b"', more="\r\nContent-Transfer-Encoding: base64") + END,
            named('; filename="b"', content="") + END,
            named('; filename="b"') + named('; filename="c"') + A + END,
            A.replace("Content-Disposition", "content-disposition") + END,
            A.replace(": form", ":form") + END,
            A.replace(": form", ":   form") + END,
            part("form-data") + END,
            part("Form-Data; name=a") + END,
            part("attachment; name=a") + END,
            part("form-data name=a") + END,
            part("form-data;name=a") + END,
            part("form-data ; name=a") + END,
            part("; name=a") + END,
            part("") + END,
            A.replace("Content-Disposition", "X-Other") + END,
            A.replace("Content-Disposition: ", "Content-Disposition ") + END,
            named("", more="\r\nno colon") + END,
            named("", more="\r\nX-A: 1" * 31) + END,
            named("", more="\r\nX-A: caf\xc3\xa9") + END,
            named("", more="\r\nX-A: " + "a" * 10000) + END,
            named("", more="\r\nX-A: " + "a" * 11000) + END,
        )
    ),
    # Ends and beginnings.
    *(
        form(body)
        for body in (
            "",
            "x",
            A,
            A + "--x",
            A + "--x-",
            A + "--x--",
            A + END + "epilogue",
            A + END + A,
            A.replace("\r\n", "\n") + END,
            A[:-2] + END,
            A.replace("\r\n\r\n", "\r\n") + END,
            "--x\r\n\r\n1\r\n" + END,
        )
    ),
    # Boundaries.
    *(
        form(body, content_type)
        for content_type, body in (
            ('multipart/form-data; boundary="x"', A + END),
            ("multipart/form-data;boundary=x", A + END),
            ("multipart/form-data; charset=utf-8; boundary=x", A + END),
            ("multipart/form-data; boundary=x; charset=utf-8", A + END),
            ("multipart/form-data; boundary=----WebKitForm7MA4", (A + END).replace("--x", "------WebKitForm7MA4")),
            ("multipart/form-data; boundary='x'", (A + END).replace("--x", "--'x'")),
            ('multipart/form-data; boundary="a b"', (A + END).replace("--x", "--a b")),
            ("multipart/form-data; boundary=a/b:c=d?", (A + END).replace("--x", "--a/b:c=d?")),
            ('multipart/form-data; boundary="a/b:c=d?"', (A + END).replace("--x", "--a/b:c=d?")),
            ("multipart/form-data; boundary=x; boundary=y", A + END),
            ("multipart/form-data; boundary=y; boundary=x", A + END),
            ('multipart/form-data; boundary="x', A + END),
            ("multipart/form-data, boundary=x", A + END),
            ("multipart/form-data ; boundary=x", A + END),
            ("multipart/form-data; boundary=y", A + END),
            ("multipart/form-data; boundary=X", A + END),
            ("multipart/form-data; boundary=", A + END),
            ("multipart/form-data; boundary", A + END),
            ("multipart/form-data", A + END),
            ("multipart/form-datax; boundary=x", A + END),
            ("Multipart/Form-Data; boundary=x", A + END),
            ("multipart/mixed; boundary=x", A + END),
        )
    ),
    # Methods and codings.
    *(form(A + END, method=method) for method in ("GET", "PUT", "PATCH", "DELETE")),
    form(A + END, more=["Content-Encoding: gzip"]),
    form(record.chunked(A[:6], A[6:], END), more=["Transfer-Encoding: chunked"]),
]

record.run(app, requests)
