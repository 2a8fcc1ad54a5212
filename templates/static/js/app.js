// Starts the small modules of every page. Each of them works on what is in the page and does nothing when it is not there.
import { startAddresses } from "./addresses.js";
import { startCopy } from "./copy.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startSelection } from "./selection.js";
import { startTheme } from "./theme-switch.js";
import { startTimes } from "./times.js";
import { startToasts } from "./toasts.js";

startAddresses();
startTheme();
startTimes();
startCopy();
startKeys();
startSelection();
startToasts();
startLive();
