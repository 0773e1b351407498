"""A Flask app as its tutorial has it: a form, the session, a streamed answer."""

import time

from flask import Flask, redirect, render_template_string, request, session, stream_with_context, url_for

app = Flask(__name__)
app.secret_key = "only for this test"

PAGE = """<!doctype html>
<p>{% if name %}Hello, {{ name }}!{% else %}Who are you?{% endif %}</p>
<form method="post" action="{{ url_for('login') }}"><input name="name"></form>
"""


@app.route("/")
def index():
    return render_template_string(PAGE, name=session.get("name"))


@app.post("/login")
def login():
    session["name"] = request.form["name"]
    return redirect(url_for("index"))


@app.route("/stream")
def stream():
    @stream_with_context
    def pieces():
        for number in range(3):
            yield f"{request.args['word']} {number}\n"
            time.sleep(0.01)

    return pieces(), {"Content-Type": "text/plain"}


@app.route("/upload", methods=["POST"])
def upload():
    file = request.files["file"]
    return {"name": file.filename, "size": len(file.read())}


@app.route("/async")
async def coroutine():
    import asyncio

    await asyncio.sleep(0.01)
    return "awaited"


@app.route("/fails")
def fails():
    raise ValueError("as it was told")


if __name__ == "__main__":
    app.run(debug=True)
