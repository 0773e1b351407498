// Sends the forms of a page without leaving it, and shows each answer below its form, piece by piece.
//
// Beside what HTML has, an element of a form may have `data-header`: its value is sent as this header; `data-body`: its
// value is the body; and a button `data-method`.

function request(form, button) {
  const method = (button.dataset.method || form.method).toUpperCase();
  const url = new URL(button.getAttribute("formaction") || form.getAttribute("action"), location.href);
  const fields = new FormData(form, button);
  const headers = {};
  let body = form.enctype === "multipart/form-data" ? fields : new URLSearchParams(fields);
  for (const element of form.elements) {
    if (element.dataset.header) headers[element.dataset.header] = element.value;
    if ("body" in element.dataset) body = element.value;
  }
  if (method === "GET") {
    url.search = body;
    body = undefined;
  }
  return new Request(url, { method, headers, body });
}

async function send(form, button) {
  const [head, text] = [".head", ".body"].map(part => form.nextElementSibling.querySelector(part));
  const asked = request(form, button);
  const begin = performance.now();
  head.textContent = "…";
  text.textContent = "";
  try {
    const answer = await fetch(asked);
    const status = `${answer.status} ${answer.statusText}`;
    const moved = answer.redirected ? ` from ${new URL(answer.url).pathname}` : "";
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let pieces = 0;
    for (let piece; !(piece = await reader.read()).done; pieces++) text.append(piece.value);
    const seconds = ((performance.now() - begin) / 1000).toFixed(2);
    const type = answer.headers.get("Content-Type");
    head.textContent = `${status}${moved} · ${type} · ${seconds} s${pieces > 1 ? ` · ${pieces} pieces` : ""}`;
  } catch (error) {
    head.textContent = `There is no answer: ${error.message}`;
  }
}

// What a form with `data-socket` has in its field goes over a WebSocket, and what comes back is shown.
function say(form) {
  const [head, text] = [".head", ".body"].map(part => form.nextElementSibling.querySelector(part));
  const message = form.elements.message.value;
  let { socket } = form;
  if (!socket || socket.readyState > WebSocket.OPEN) {
    const url = new URL(form.dataset.socket, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    form.socket = socket = new WebSocket(url);
    text.textContent = "";
    head.textContent = "…";
    socket.onmessage = event => text.append(`${event.data}\n`);
    socket.onclose = event => { head.textContent = `closed with ${event.code} ${event.reason}`; };
    socket.onopen = () => { head.textContent = `open · ${socket.extensions || "not compressed"}`; };
  }
  if (socket.readyState === WebSocket.OPEN) socket.send(message);
  else socket.addEventListener("open", () => socket.send(message));
}

for (const form of document.forms) {
  form.insertAdjacentHTML("afterend", '<output class="answer"><span class="head"></span><span class="body"></span></output>');
  form.addEventListener("submit", event => {
    event.preventDefault();
    if (form.dataset.socket) say(form);
    else send(form, event.submitter);
  });
}
