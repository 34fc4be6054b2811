// @xmpp/client, as a page uses it; the WebSocket that browsers have is from ws.

import { client, xml } from "@xmpp/client";
import WebSocket from "ws";
import { obey, address, password, says, url } from "./commands.mjs";

globalThis.WebSocket = WebSocket;

const [username, domain] = address.split("@");
const xmpp = client({ service: url, domain, username, password });

xmpp.reconnect.stop(); // until the test says so
xmpp.on("online", async (jid) => {
  await xmpp.send(xml("presence"));
  says("online", jid);
});
xmpp.streamManagement.on("resumed", () => says("resumed", xmpp.jid));
xmpp.on("disconnect", () => says("offline"));
xmpp.on("error", (error) => says("error", error));
xmpp.on("stanza", (stanza) => {
  if (stanza.is("message") && stanza.getChild("body")) says("message", stanza.getChildText("body"));
});

obey({
  connect: () => (xmpp.status === "offline" ? xmpp.start() : xmpp.reconnect.reconnect()),
  send: (to, body) => xmpp.send(xml("message", { to, type: "chat" }, xml("body", {}, body))),
  cut: () => xmpp.socket.socket.terminate(),
  close: () => xmpp.stop(),
});
