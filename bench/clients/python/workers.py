"""What every client program here does, in each language alike.

Arguments: URL, number of workers, seed. Each worker asks again and again, with pauses of up to 200 ms: one
request in two places an order, whose item no other order has. Worker and seed decide what is asked and when.
It ends when three requests in a row were not answered. Prints `ready` when every worker has been answered
three times, and at the end one line of JSON: how many requests were answered, how many of these were orders,
how many connections were refused, and whatever else the library raised.
"""

import asyncio
import json
import random
import sys
import threading

PAUSE = 0.2
GIVES_UP_AFTER = 3
WARM = 3


class Worker:
    def __init__(self, crew, number):
        self.crew = crew
        self.number = number
        self.random = random.Random(crew.seed * 1000 + number)
        self.asked = 0
        self.answered = 0
        self.in_vain = 0

    def pause(self):
        return self.random.random() * PAUSE

    def next(self):
        """The body of the next order, or None: then it is a GET of /work?ms=5."""
        self.asked += 1
        if self.random.random() < 0.5:
            item = f"{self.crew.seed}-{self.number}-{self.asked}"
            return json.dumps({"item": item, "quantity": 1}).encode()
        return None

    def url(self, body):
        return self.crew.url + ("/work?ms=5" if body is None else "/orders")

    def came(self, body, status):
        with self.crew.lock:
            if 200 <= status < 300:
                self.in_vain = 0
                self.answered += 1
                self.crew.answered += 1
                self.crew.posted += body is not None
                if self.answered == WARM:
                    self.crew.warm += 1
                    if self.crew.warm == self.crew.workers:
                        print("ready", flush=True)
            else:
                self.in_vain += 1
                self.crew.failed.append(f"status {status}")

    def raised(self, error):
        with self.crew.lock:
            self.in_vain += 1
            if is_refused(error):
                self.crew.refused += 1
            else:
                self.crew.failed.append(f"{type(error).__name__}: {error}"[:300])

    def goes_on(self):
        return self.in_vain < GIVES_UP_AFTER


class Crew:
    def __init__(self):
        self.url = sys.argv[1]
        self.workers = int(sys.argv[2])
        self.seed = int(sys.argv[3])
        self.lock = threading.Lock()
        self.warm = self.answered = self.posted = self.refused = 0
        self.failed = []

    def all(self):
        return [Worker(self, number) for number in range(self.workers)]

    def tell(self):
        print(
            json.dumps(
                {
                    "answered": self.answered,
                    "posted": self.posted,
                    "refused": self.refused,
                    "failed": self.failed,
                }
            ),
            flush=True,
        )


def is_refused(error):
    """Whether the cause of it all is a connection that was refused."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, ConnectionRefusedError) or "refused" in str(error).lower():
            return True
        error = error.__cause__ or error.__context__
    return False


def run_threads(send):
    """`send(url, body)` asks and returns the status; called by each worker in a thread of its own."""
    crew = Crew()

    def work(worker):
        # Not all at once in the first moment.
        wait = threading.Event()
        while worker.goes_on():
            wait.wait(worker.pause())
            body = worker.next()
            try:
                worker.came(body, send(worker.url(body), body))
            except Exception as error:
                worker.raised(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in crew.all()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    crew.tell()


async def run_tasks(send):
    """The same for `async def send(url, body)`, and tasks."""
    crew = Crew()

    async def work(worker):
        while worker.goes_on():
            await asyncio.sleep(worker.pause())
            body = worker.next()
            try:
                worker.came(body, await send(worker.url(body), body))
            except Exception as error:
                worker.raised(error)

    await asyncio.gather(*(work(worker) for worker in crew.all()))
    crew.tell()
