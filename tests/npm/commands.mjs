// What a test tells a client, line by line, and what the client says of what happens: tests/test_websocket_npm.py.

import { createInterface } from "node:readline";

export const [, , url, address, password] = process.argv;

export function says(...words) {
  console.log(words.join(" "));
}

// commands: functions by name, which get what else stands in the line
export function obey(commands) {
  createInterface({ input: process.stdin }).on("line", (line) => {
    const [name, ...words] = line.split(" ");
    Promise.resolve(commands[name](...words)).catch((error) => says("failed", name, error));
  });
}
