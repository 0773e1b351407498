import json

codes = []


async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(codes).encode()})
        return
    assert scope["type"] == "websocket", "it has no lifespan"
    assert await receive() == {"type": "websocket.connect"}
    if scope["path"] == "/no":
        await send({"type": "websocket.close"})
        return
    if scope["path"] == "/fails":
        raise ValueError("before it has accepted")
    offered = scope["subprotocols"]
    headers = [(b"X-Scheme", scope["scheme"].encode())]
    await send({"type": "websocket.accept", "subprotocol": offered[0] if offered else None, "headers": headers})
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            codes.append([event["code"], event["reason"]])
            return
        if event.get("text") == "close":
            await send({"type": "websocket.close", "code": 4000, "reason": "as you say"})
        elif event.get("text") == "end":
            return
        elif event.get("text") == "fail":
            raise ValueError("after it has accepted")
        elif "text" in event:
            await send({"type": "websocket.send", "text": event["text"]})
        else:
            await send({"type": "websocket.send", "bytes": event["bytes"]})
