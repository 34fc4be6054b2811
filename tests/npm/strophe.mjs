// Strophe.js, as a page uses it.

import { $msg, $pres, Strophe } from "strophe.js";
import { obey, address, password, says, url } from "./commands.mjs";

const connection = new Strophe.Connection(url, { enableStreamManagement: true });

function onMessage(message) {
  const body = message.getElementsByTagName("body")[0];
  if (body) says("message", body.textContent);
  return true;
}

function onStatus(status, condition) {
  if (status === Strophe.Status.CONNECTED) {
    connection.addHandler(onMessage, null, "message"); // a disconnection forgets all of them
    says(connection.hasResumed() ? "resumed" : "online", connection.jid);
    if (!connection.hasResumed()) connection.send($pres());
  } else if (status === Strophe.Status.DISCONNECTED) {
    says("offline");
  } else if (condition) {
    says("error", condition);
  }
}

obey({
  connect: () => connection.connect(address, password, onStatus),
  send: (to, body) => connection.send($msg({ to, type: "chat" }).c("body").t(body)),
  cut: () => connection._proto.socket.terminate(),
  close: () => connection.disconnect(),
});
