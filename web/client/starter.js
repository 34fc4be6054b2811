// Starts the client with what the server has written into the page. It connects to where the page came from.
const PATIENCE = 10000; // milliseconds for a WebSocket to open
const { settings, paths } = document.body.dataset;
const at = (path) => new URL(path, document.location).href;
const entrances = JSON.parse(paths);

// Elements of the client that speak of its own makers, with pictures from elsewhere: the page says what stands there.
for (const template of document.querySelectorAll('template[data-element]')) {
    customElements.define(template.dataset.element, class extends HTMLElement {
        connectedCallback() {
            this.replaceChildren(template.content.cloneNode(true));
        }
    });
}

// Whether WebSocket gets through to the server: not every proxy lets it.
const opens = (url) => new Promise((resolve) => {
    const socket = new WebSocket(url, 'xmpp');
    const settle = (isOpen) => {
        resolve(isOpen);
        socket.close();
    };
    socket.onopen = () => settle(true);
    socket.onerror = () => settle(false);
    setTimeout(settle, PATIENCE, false);
});

// Told of both, the client changes over twice at each failure, and never gets anywhere.
const entrance = async () => {
    const websocket = entrances.websocket && { websocket_url: at(entrances.websocket).replace(/^http/, 'ws') };
    const bosh = entrances.bosh && { bosh_service_url: at(entrances.bosh) };
    return websocket && (!bosh || await opens(websocket.websocket_url)) ? websocket : bosh;
};

// Once it has resumed its session, the client (14.0.0) takes each later loss of its connection for the end of it, and
// forgets what the server has not acknowledged. Nothing but that depends on this flag.
const RESUMING = 'resuming-again';
window.converse.plugins.add(RESUMING, {
    initialize() {
        const { _converse } = this;
        for (const event of ['connected', 'reconnected']) {
            _converse.api.listen.on(event, () => _converse.session.save('smacks_resumed', false));
        }
    },
});

window.converse.initialize({ ...await entrance(), ...JSON.parse(settings), whitelisted_plugins: [RESUMING] });
