// Strophe.js over BOSH, as a page uses it. Node has no XMLHttpRequest, so there is the part of it that Strophe uses.

import { DOMParser } from "@xmldom/xmldom";
import { $msg, $pres, Strophe } from "strophe.js";
import { obey, address, password, says, url } from "./commands.mjs";

globalThis.XMLHttpRequest = class {
  readyState = 0;
  status = 0;
  responseText = "";
  responseXML = null;
  #abort = new AbortController();
  #headers = {};

  open(method, address) {
    Object.assign(this, { method, address });
  }

  setRequestHeader(name, value) {
    this.#headers[name] = value;
  }

  async send(body) {
    try {
      const signal = this.#abort.signal;
      const response = await fetch(this.address, { method: this.method, headers: this.#headers, body, signal });
      this.responseText = await response.text();
      this.responseXML = new DOMParser().parseFromString(this.responseText, "text/xml");
      this.status = response.status;
    } catch {
      this.status = 0;
    }
    this.readyState = 4;
    this.onreadystatechange();
  }

  getAllResponseHeaders() {
    return "";
  }

  abort() {
    this.#abort.abort();
  }
};

const connection = new Strophe.Connection(url);

function onMessage(message) {
  const body = message.getElementsByTagName("body")[0];
  if (body) says("message", body.textContent);
  return true;
}

function onStatus(status, condition) {
  if (status === Strophe.Status.CONNECTED) {
    connection.addHandler(onMessage, null, "message");
    says("online", connection.jid);
    connection.send($pres());
  } else if (status === Strophe.Status.DISCONNECTED) {
    says("offline");
  } else if (condition) {
    says("error", condition);
  }
}

obey({
  connect: () => connection.connect(address, password, onStatus),
  send: (to, body) => connection.send($msg({ to, type: "chat" }).c("body").t(body)),
  pause: () => connection.pause(),
  flush: () => connection.resume(),
  close: () => connection.disconnect(),
});
