"""A client of the shop, written against the bytes of its protocol so that nothing is generated.

    grpc_client.py ADDRESS [CERTIFICATE]

With a certificate that is to be trusted it speaks TLS. Says what it sees, one line each. The test sends SIGTERM at "in flight".
"""

import sys

import grpc

PATIENCE = 20

ADDRESS = sys.argv[1]
HEALTH_OF_THE_SHOP = b"\x0a\x0cshop.v1.Shop"
STATUS = {b"\x08\x01": "SERVING", b"\x08\x02": "NOT_SERVING"}


def varint(number):
    some = bytearray()
    while number > 127:
        some.append(number & 127 | 128)
        number >>= 7
    some.append(number)
    return bytes(some)


def order(takes_ms):
    """GetOrderRequest of the first order."""
    return b"\x08\x01" + (b"\x10" + varint(takes_ms) if takes_ms else b"")


def item(message):
    """The item of an Order whose id is below 128."""
    assert message[0] == 8 and message[2] == 18, message
    return message[4 : 4 + message[3]].decode()


def connect(*options):
    if len(sys.argv) < 3:
        return grpc.insecure_channel(ADDRESS, options)
    with open(sys.argv[2], "rb") as certificate:
        trusted = grpc.ssl_channel_credentials(certificate.read())
    name = ("grpc.ssl_target_name_override", "localhost")
    return grpc.secure_channel(ADDRESS, trusted, (name, *options))


def say(*what):
    print(*what, flush=True)


channel = connect()
health = channel.unary_stream("/grpc.health.v1.Health/Watch")(HEALTH_OF_THE_SHOP, timeout=PATIENCE)
say("health", STATUS[next(health)])
orders = channel.unary_stream("/shop.v1.Shop/WatchOrders")(b"", timeout=PATIENCE)
say("watched", item(next(orders)))
get_order = channel.unary_unary("/shop.v1.Shop/GetOrder")
slow = get_order.future(order(4000), timeout=PATIENCE)
# One connection: what is answered second was sent second.
get_order(order(0), timeout=PATIENCE)
say("in flight")

say("health", STATUS[next(health)])
# A pool of its own, or it would be the first connection again.
late = connect(("grpc.use_local_subchannel_pool", 1))
say("late call", item(late.unary_unary("/shop.v1.Shop/GetOrder")(order(0), timeout=PATIENCE)))
check = late.unary_unary("/grpc.health.v1.Health/Check")
say("late health", STATUS[check(HEALTH_OF_THE_SHOP, timeout=PATIENCE)])
say("slow call", item(slow.result()))
for _ in orders:
    pass
say("watch ended", orders.code().name)
for _ in health:
    pass
say("health ended", health.code().name)
