// Starts the client with what the server has written into the page. It connects to where the page came from.
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

window.converse.initialize({
    ...(entrances.websocket && { websocket_url: at(entrances.websocket).replace(/^http/, 'ws') }),
    ...(entrances.bosh && { bosh_service_url: at(entrances.bosh) }),
    ...JSON.parse(settings),
});
