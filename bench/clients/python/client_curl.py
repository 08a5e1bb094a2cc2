"""libcurl by pycurl: one `CurlMulti`, whose connections all its transfers share."""

import heapq
import time

import pycurl

from workers import Crew

CONNECT_FAILED = 7


class Transfer:
    def __init__(self, worker):
        self.worker = worker
        self.curl = pycurl.Curl()
        self.curl.setopt(pycurl.WRITEFUNCTION, lambda data: None)
        self.curl.transfer = self

    def begin(self):
        self.body = self.worker.next()
        self.curl.setopt(pycurl.URL, self.worker.url(self.body))
        if self.body is None:
            self.curl.setopt(pycurl.HTTPGET, 1)
            self.curl.setopt(pycurl.HTTPHEADER, [])
        else:
            self.curl.setopt(pycurl.POSTFIELDS, self.body)
            self.curl.setopt(pycurl.HTTPHEADER, ["content-type: application/json"])

    def ended(self, code, why):
        if code == 0:
            self.worker.came(self.body, self.curl.getinfo(pycurl.RESPONSE_CODE))
        elif code == CONNECT_FAILED:
            self.worker.raised(ConnectionRefusedError(why))
        else:
            self.worker.raised(Exception(f"curl {code}: {why}"))


crew = Crew()
multi = pycurl.CurlMulti()
waiting = [(time.monotonic() + w.pause(), w.number, Transfer(w)) for w in crew.all()]
heapq.heapify(waiting)
under_way = 0
while waiting or under_way:
    while waiting and waiting[0][0] <= time.monotonic():
        transfer = heapq.heappop(waiting)[2]
        transfer.begin()
        multi.add_handle(transfer.curl)
        under_way += 1
    multi.perform()
    more = 1
    while more:
        more, good, bad = multi.info_read()
        for curl, code, why in [(curl, 0, "") for curl in good] + bad:
            multi.remove_handle(curl)
            under_way -= 1
            transfer = curl.transfer
            transfer.ended(code, why)
            if transfer.worker.goes_on():
                at = time.monotonic() + transfer.worker.pause()
                heapq.heappush(waiting, (at, transfer.worker.number, transfer))
    left = waiting[0][0] - time.monotonic() if waiting else 0.1
    if left > 0:
        multi.select(min(left, 0.1))
crew.tell()
