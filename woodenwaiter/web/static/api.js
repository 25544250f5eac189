// What is asked of the server, apart from the stream.

import { known } from "./dom.js";

export const PREFIX = document.documentElement.dataset.prefix;

// Who we are, and what we may, once the server has told; `loaded`: the release that it had at the start.
export const me = { readOnly: true };

export async function introduce() {
	Object.assign(me, await get("me"));
	me.loaded ||= me.release;
}

// Parameters that are empty are left out. The name of a queue is passed on as it came.
export function query(parameters) {
	const given = Object.entries(parameters).filter(([, value]) => value !== "" && known(value));
	return given.length ? "?" + given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&") : "";
}

export const address = (path, parameters = {}) => `${PREFIX}/api/${path}${query(parameters)}`;

// Raises an Error with what is wrong, in words, and its `status`; 0 where nobody answers.
export const get = (path, parameters, signal) => ask(address(path, parameters), { signal });

const send = (body) =>
	ask(address("do"), {
		method: "POST",
		headers: { "Content-Type": "application/json", "X-Woodenwaiter-Token": me.token },
		body: JSON.stringify(body),
	});

// Our token may be from before a restart of the server: it is asked for once more.
export const post = (body) =>
	send(body).catch(async (error) => {
		if (error.status !== 403 || me.readOnly) throw error;
		await introduce();
		return send(body);
	});

async function ask(url, how) {
	const answer = await fetch(url, { ...how, credentials: "same-origin" }).catch((error) => {
		throw error.name === "AbortError" ? error : failure("The server does not answer.", 0);
	});
	if (answer.status === 401) location.assign(`${PREFIX}/login${query({ then: location.pathname + location.search })}`);
	const said = await answer.json().catch(() => ({}));
	if (!answer.ok) throw failure(said.trouble || `The server answers ${answer.status}.`, answer.status);
	return said;
}

const failure = (text, status) => Object.assign(new Error(text), { status });
