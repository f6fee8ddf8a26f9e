#!/usr/bin/env python3
"""The way of an alert to a notification beside Alertmanager, in one run and in turn.

Usage: alertmanager.py RESPOND ALERTMANAGER [--alerts N] [--rounds N]

RESPOND is the built benchmark `respond` of this crate: engine and journal, every alert on the disk
before it counts as accepted, without HTTP. ALERTMANAGER (Debian: prometheus-alertmanager) gets the
same alerts through its API, over one connection, one by one and by the hundred, keeps none of them
on the disk, and tells a webhook on loopback; its CPU time is that of its process alone, HTTP
included. Both group by alertname and service: 200 groups, group_wait and group_interval 1 s.

Prints for each shape the least CPU time an alert of all rounds, of Nightbell with a plain synced
file and with the journal of `nightbell up`, the ratios, and resident memory. Only that everybody
was told is asserted: the machine decides the rest.
"""

import argparse
import datetime
import http.client
import http.server
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

CONFIGURATION = """
route:
  receiver: sink
  group_by: [alertname, service]
  group_wait: 1s
  group_interval: 1s
  repeat_interval: 4h
  routes: [{ matchers: ['severity="page"'], receiver: sink }, { matchers: ['severity="ticket"'], receiver: sink }]
inhibit_rules: [{ source_matchers: ['severity="critical"'], target_matchers: ['severity="page"'], equal: [service] }]
receivers: [{ name: sink, webhook_configs: [{ url: 'http://127.0.0.1:PORT/', send_resolved: false }] }]
"""


class Sink:
    """A webhook that remembers of which instances it was told."""

    def __init__(self, expected):
        self.told, self.all_told = set(), threading.Event()
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                sink.told.update(alert["labels"]["instance"] for alert in body["alerts"])
                if len(sink.told) >= expected:
                    sink.all_told.set()
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # Alertmanager ends with connections open.

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server.server_address[1]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def alerts(count):
    now = datetime.datetime.now(datetime.timezone.utc)
    starts, ends = now.isoformat(), (now + datetime.timedelta(hours=1)).isoformat()
    for i in range(count):
        labels = {
            "alertname": "ErrorRateHigh", "service": f"svc-{i % 100}", "severity": "page" if i % 3 else "ticket",
            "instance": f"i-{i:08d}", "region": "eu-west-1",
        }
        summary = f"Error rate above 5 % for five minutes on instance i-{i:08d}".ljust(80, ".")
        annotations = {"summary": summary, "runbook_url": "http://runbooks.local/error-rate"}
        yield {"labels": labels, "annotations": annotations, "startsAt": starts, "endsAt": ends}


def ready(port, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"alertmanager ended with {process.returncode}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/-/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
    sys.exit("alertmanager is not ready after a minute")


def alertmanager(binary, count, batch):
    """CPU time an alert in microseconds, and resident memory in MB."""
    sink = Sink(count)
    bodies = []
    all_alerts = list(alerts(count))
    for i in range(0, count, batch):
        bodies.append(json.dumps(all_alerts[i : i + batch]))
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/alertmanager.yml", "w") as file:
            file.write(CONFIGURATION.replace("PORT", str(sink.port)))
        port = free_port()
        process = subprocess.Popen(
            [binary, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=error"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            ready(port, process)
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for body in bodies:
                connection.request("POST", "/api/v2/alerts", body, {"content-type": "application/json"})
                response = connection.getresponse()
                response.read()
                assert response.status == 200, response.status
            assert sink.all_told.wait(300), f"{len(sink.told)} of {count} were told"
            with open(f"/proc/{process.pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            with open(f"/proc/{process.pid}/status") as file:
                memory = next(line for line in file if line.startswith("VmRSS:"))
            ticks = int(fields[11]) + int(fields[12])
            return ticks / os.sysconf("SC_CLK_TCK") / count * 1e6, int(memory.split()[1]) / 1024
        finally:
            process.terminate()
            process.wait()
            sink.server.shutdown()


def nightbell(binary, count, batch, journal):
    """CPU time an alert in microseconds, and resident memory in MB."""
    run = subprocess.run([binary, "--shape", f"{count},{batch}", journal], check=True, capture_output=True, text=True)
    # alarms batch journal engine journal both notifications RSS (grown)
    fields = run.stdout.splitlines()[-1].split()
    return float(fields[5]), float(fields[7])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("respond")
    parser.add_argument("alertmanager")
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print("alerts  batch  alertmanager us  MB   file us  ratio  store us  ratio   MB  ratio")
    for batch in (100, 1):
        rounds = []
        for _ in range(options.rounds):
            rounds.append((
                alertmanager(options.alertmanager, options.alerts, batch),
                nightbell(options.respond, options.alerts, batch, "file"),
                nightbell(options.respond, options.alerts, batch, "store"),
            ))
        (peer, peer_memory), (file, memory), (store, _) = (
            tuple(min(values) for values in zip(*column)) for column in zip(*rounds)
        )
        print(
            f"{options.alerts:>6} {batch:>6} {peer:>16.1f} {peer_memory:>4.0f} {file:>8.1f} {file / peer:>6.2f}"
            f" {store:>9.1f} {store / peer:>6.2f} {memory:>5.0f} {memory / peer_memory:>5.2f}"
        )


if __name__ == "__main__":
    main()
