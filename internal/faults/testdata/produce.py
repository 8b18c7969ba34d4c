"""Writes messages to one partition by a producer that is not streammon's.

usage: produce.py kafka|confluent BROKER TOPIC PARTITION CODEC

Each line of standard input is a message, a JSON object with key and value (null, or base64) and
headers (a list of pairs); or {"do": "begin"}, "commit" or "abort", of a transaction.
"""

import base64
import json
import sys

library, broker, topic, partition, codec = sys.argv[1:]


def decoded(text):
    return None if text is None else base64.b64decode(text)


def with_kafka():
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=broker, compression_type=codec, acks="all", linger_ms=20, max_in_flight_requests_per_connection=1)
    futures = []

    def send(key, value, headers):
        futures.append(producer.send(topic, key=key, value=value, headers=headers, partition=int(partition)))

    def end():
        producer.flush()
        for f in futures:
            f.get(30)
        producer.close()

    return send, None, end


def with_confluent():
    from confluent_kafka import Producer

    producer = Producer({
        "bootstrap.servers": broker, "compression.type": codec, "linger.ms": 20, "transactional.id": f"{topic}-{partition}", "error_cb": fail,
    })
    producer.init_transactions(30)

    def send(key, value, headers):
        producer.produce(topic, key=key, value=value, headers=headers, partition=int(partition), on_delivery=delivered)
        producer.poll(0)

    def do(what):
        if what == "begin":
            producer.begin_transaction()
        elif what == "commit":
            producer.commit_transaction(30)
        else:
            producer.flush(30)  # so that they are in the log
            producer.abort_transaction(30)

    return send, do, lambda: None


def fail(error):
    sys.exit(f"{library}: {error}")


def delivered(error, _):
    if error:
        fail(error)


send, do, end = {"kafka": with_kafka, "confluent": with_confluent}[library]()
for line in sys.stdin:
    message = json.loads(line)
    if "do" in message:
        do(message["do"])
    else:
        send(decoded(message["key"]), decoded(message["value"]), [(name, decoded(value)) for name, value in message["headers"] or []])
end()
