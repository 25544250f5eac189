// Before anything is painted, so that nobody who chose dark sees a flash of light.
"use strict";
try {
	const chosen = localStorage.getItem("theme");
	if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
	// Storage is forbidden: then it is as the system says.
}
