// What the soaked coordinator keeps of what has ended: less than the defaults, so that all of it is full after a minute or two.
export const bounds = { endedJobs: 500, loggedEvents: 2_000, loggedSummaries: 500 };
