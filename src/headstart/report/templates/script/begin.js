// Each part begins by itself: where one cannot, the others and the page stay as they are.

const begin = (part) => { try { part(); } catch (error) { console.error(error); } };
for (const hidden of all(".scripted[hidden]")) hidden.hidden = false;
const study = read("asked-data"), clients = read("client-data");
if (study) begin(() => startPanel(study));
begin(() => all("main table").forEach(startTable));
begin(startFigures);
if (clients) begin(() => startClients(clients));
const reloads = Number(document.body.dataset.reloads ?? 0);
if (reloads) begin(() => reloadLater(reloads));
document.documentElement.classList.add("script");
