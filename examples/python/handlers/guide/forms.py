"""Handling request input: forms and files."""

import tornado.web


class MyFormHandler(tornado.web.RequestHandler):
    def get(self):
        self.write('<html><body><form action="/myform" method="POST">'
                       '<input type="text" name="message">'
                       '<input type="submit" value="Submit">'
                       '</form></body></html>')

    def post(self):
        self.set_header("Content-Type", "text/plain")
        self.write("You wrote " + self.get_body_argument("message"))


class UploadHandler(tornado.web.RequestHandler):
    def post(self):
        files = {
            name: [(file["filename"], file["content_type"], len(file["body"])) for file in files]
            for name, files in self.request.files.items()
        }
        self.write(files)
