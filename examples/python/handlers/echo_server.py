from tornado import ioloop, iostream, tcpserver


class EchoServer(tcpserver.TCPServer):
    async def handle_stream(self, stream, address):
        try:
            while True:
                data_in = await stream.read_until(b'\n')
                await stream.write(b'You sent: ' + data_in)
        except iostream.StreamClosedError:
            pass

server = EchoServer()
server.listen(12345)
ioloop.IOLoop.current().start()
