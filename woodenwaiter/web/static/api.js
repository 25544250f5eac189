// What is asked of the server, apart from the stream.

export const PREFIX = document.documentElement.dataset.prefix;

// Who we are, and what we may; filled in once at the start.
export const me = { user: "", readOnly: true, token: "", address: "", release: "", canLogOut: false, redacts: [] };

export async function introduce() {
	Object.assign(me, await get("me"));
}

// Parameters that are empty are left out. The name of a queue is passed on as it came.
export function query(parameters) {
	const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
	return given.length ? "?" + given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&") : "";
}

export const address = (path, parameters = {}) => `${PREFIX}/api/${path}${query(parameters)}`;

// Raises an Error with what is wrong, in words, and its `status`; 0 where nobody answers.
export const get = (path, parameters, signal) => ask(address(path, parameters), { signal });

export const post = (body) =>
	ask(address("do"), {
		method: "POST",
		headers: { "Content-Type": "application/json", "X-Woodenwaiter-Token": me.token },
		body: JSON.stringify(body),
	});

async function ask(url, how) {
	const answer = await fetch(url, { ...how, credentials: "same-origin" }).catch((error) => {
		if (error.name === "AbortError") throw error;
		throw failure("The server does not answer.", 0);
	});
	if (answer.status === 401) logIn();
	const said = await answer.json().catch(() => ({}));
	if (!answer.ok) throw failure(said.trouble || `The server answers ${answer.status}.`, answer.status);
	return said;
}

function failure(text, status) {
	return Object.assign(new Error(text), { status });
}

export function logIn() {
	location.assign(`${PREFIX}/login${query({ then: location.pathname + location.search })}`);
}
