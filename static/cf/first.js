/* Before anything is drawn: pages know that scripts run, so that what only scripts can open may be folded. */
document.documentElement.classList.add("js");
