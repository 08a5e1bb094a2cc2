"""grpcio: one channel for all threads. Every second call asks for an order that there is not, which is an answer too."""

import sys

import grpc

from workers import run_threads

channel = grpc.insecure_channel(sys.argv[1].removeprefix("http://"))
call = channel.unary_unary("/shop.v1.Shop/GetOrder")


def send(url, body):
    try:
        # `int64 id = 1`
        call(b"\x08\x01" if body is None else b"\x08\x02")
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.NOT_FOUND:
            raise
    return 200


run_threads(send)
