"""Settings that contradict each other, though each of them is suitable by itself. A server can run with them."""

from collections.abc import Iterator

from xmpp.config.configuration import Configuration, Entry, Section


def contradictions(configuration: Configuration) -> Iterator[str]:
    """A sentence for each contradiction between settings."""
    yield from _too_large(configuration)
    for domain in configuration.differing:
        yield from _too_large(configuration, domain)
    yield from _without_effect(configuration)


def _too_large(configuration: Configuration, domain: str = "") -> Iterator[str]:
    """Settings above those that they should not exceed. For a domain: where it differs in one of the two."""
    enabled = {name: section for name, section in configuration.sections.items() if configuration.is_enabled(name)}
    own = configuration.differing.get(domain, ())
    for section in enabled.values():
        for entry in section.entries.values():
            for other_name, _, other_key in (bound.rpartition(".") for bound in entry.rule.at_most):
                other = enabled.get(other_name or section.name)
                names = (f"{section.name}.{entry.key}", f"{other_name or section.name}.{other_key}")
                if other is None or (domain and not {*names} & {*own}):
                    continue
                most = other.entries[other_key]
                if configuration.value(section, entry, domain) > configuration.value(other, most, domain):
                    where = f'[domains."{domain}"] {names[0]}' if domain else f"[{section.name}] {entry.key}"
                    yield (
                        f"{where}: expected at most {_said(configuration, other, most, domain)}, "
                        f"found {_said(configuration, section, entry, domain)}."
                    )


def _without_effect(configuration: Configuration) -> Iterator[str]:
    """Settings of features that are off: by default, and were not switched on; or for a domain."""
    for name, section in configuration.sections.items():
        given = [key for key in section.entries if configuration.is_given(name, key)]
        if given and section.can_be_disabled and not configuration.is_enabled(name) and "enabled" not in given:
            yield (
                f"[{name}] {', '.join(given)} has no effect, since [{name}] enabled is false by default; "
                "set enabled = true too."
            )
    for domain, differing in configuration.differing.items():
        for key in differing:
            name = key.partition(".")[0]
            if not configuration.is_enabled(name):
                yield f'[domains."{domain}"] {key} has no effect, since [{name}] enabled is false.'


def _said(configuration: Configuration, section: Section, entry: Entry, domain: str) -> str:
    name, value = f"{section.name}.{entry.key}", configuration.value(section, entry, domain)
    if name in configuration.differing.get(domain, ()):
        return f'{value} ([domains."{domain}"] {name})'
    by_default = "" if configuration.is_given(section.name, entry.key) else " by default"
    return f"{value} ([{section.name}] {entry.key}{by_default})"
