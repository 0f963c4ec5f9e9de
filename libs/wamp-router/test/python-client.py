"""A WAMP client for python.int-spec.ts: uses every feature and prints the results as JSON on the last line."""
import asyncio
import json
import sys

from autobahn.asyncio.wamp import ApplicationRunner, ApplicationSession
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import PublishOptions, SubscribeOptions

URL, TICKET = sys.argv[1:3]


def report(result):
    print(json.dumps(result, ensure_ascii=False), flush=True)


class Client(ApplicationSession):
    def onConnect(self):
        self.join("realm1", ["ticket"], "millrace")

    def onChallenge(self, challenge):
        return TICKET

    def onLeave(self, details):
        if details.reason != "wamp.close.normal" and details.reason != "wamp.close.goodbye_and_out":
            report({"left": details.reason})
        self.disconnect()

    def onDisconnect(self):
        asyncio.get_event_loop().stop()

    async def onJoin(self, details):
        exact, prefix, excluded = [], [], []

        def listener(heard):
            return lambda *args, details=None, **kwargs: heard.append([details.topic, list(args), kwargs])

        await self.subscribe(listener(exact), "org.millrace.a.b", options=SubscribeOptions(details=True))
        under = await self.subscribe(
            listener(prefix), "org.millrace.a", options=SubscribeOptions(match="prefix", details=True)
        )
        await self.subscribe(listener(excluded), "org.millrace.own", options=SubscribeOptions(details=True))
        hear_me = PublishOptions(acknowledge=True, exclude_me=False)
        await self.publish("org.millrace.a.b", 1, k="ž", options=hear_me)
        await self.publish("org.millrace.ab", 2, options=hear_me)
        await self.publish("org.millrace.own", 3, options=PublishOptions(acknowledge=True))

        def fail():
            raise ApplicationError("org.millrace.error.no", "because")

        await self.register(lambda a, b: a + b, "org.millrace.sum")
        await self.register(fail, "org.millrace.fail")
        total = await self.call("org.millrace.sum", 2, 3)
        failure = await self.error_of(self.call("org.millrace.fail"))
        unknown = await self.error_of(self.call("org.millrace.nobody"))
        forbidden = await self.error_of(self.publish("com.other", options=hear_me))
        # The answers above came after the events, so these have all arrived.
        await under.unsubscribe()
        await self.publish("org.millrace.ab", 4, options=hear_me)
        await self.error_of(self.call("org.millrace.nobody"))
        report(
            {
                "exact": exact,
                "prefix": prefix[:2],
                "excluded": len(excluded),
                "sum": total,
                "failure": failure,
                "unknown": unknown,
                "forbidden": forbidden,
                "afterUnsubscribe": len(prefix),
            }
        )
        self.leave()

    async def error_of(self, call):
        try:
            await call
        except ApplicationError as error:
            return error.error
        return None


ApplicationRunner(URL, "realm1").run(Client, log_level="error")
