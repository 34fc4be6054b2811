// @xmpp/client over TLS that comes first, as a program uses it; it says by what it logs in.

import { client, xml } from "@xmpp/client";
import { obey, address, password, says, url } from "./commands.mjs";

process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0"; // the certificate is self-signed

const [username, domain] = address.split("@");
const xmpp = client({ service: url, domain, username, password });

xmpp.reconnect.stop();
xmpp.on("send", (element) => {
  if (element.is("authenticate", "urn:xmpp:sasl:2")) says("authenticates", element.attrs.mechanism);
});
xmpp.on("element", (element) => {
  if (element.is("success", "urn:xmpp:sasl:2")) says("succeeds", element.getChildText("authorization-identifier"));
});
xmpp.on("online", (jid) => says("online", jid));
xmpp.on("disconnect", () => says("offline"));
xmpp.on("error", (error) => says("error", error));
xmpp.on("stanza", (stanza) => {
  if (stanza.is("message") && stanza.getChild("body")) says("message", stanza.getChildText("body"));
});

obey({
  connect: () => xmpp.start(),
  send: (to, body) => xmpp.send(xml("message", { to, type: "chat" }, xml("body", {}, body))),
  close: () => xmpp.stop(),
});
