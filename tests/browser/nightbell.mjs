// The built nightbell as a child process, and its API as tests ask it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

/** Starts `nightbell up`; answers when it serves. */
export async function start({ binary, root, data, listen, traffic }) {
  const child = spawn(
    binary,
    ["up", "--json", "--listen", listen, "--data", data, "--traffic", String(traffic)],
    { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
  );
  let said = "";
  child.stderr.on("data", (chunk) => (said += chunk));
  const exited = once(child, "exit");
  const line = await Promise.race([
    once(createInterface({ input: child.stdout }), "line").then(([line]) => line),
    exited.then(([code]) => {
      throw new Error(`nightbell up ended with code ${code}: ${said}`);
    }),
  ]);
  const { console: url } = JSON.parse(line);
  return {
    url,
    async json(path) {
      const answer = await fetch(url + path);
      if (!answer.ok) throw new Error(`GET ${path}: ${answer.status} ${await answer.text()}`);
      return answer.json();
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      const [code] = await exited;
      if (code !== 0) throw new Error(`nightbell up ended with code ${code}: ${said}`);
    },
  };
}

/** Asks until the answer is truthy; `what` is for the message when it never is. */
export async function until(what, seconds, ask) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await pause(200);
  }
}
