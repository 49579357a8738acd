// ONNX Runtime reports to its makers by default on Linux too, since 1.30: a log and a session file
// in the temporary directory for every process, a device id, uploads. Users of this project have
// not agreed to that. Imported for its effect, before the library is loaded.

// The library reads the process's own environment, which only the main thread can change: a
// thread's `process.env` is a copy. So the compute pool imports this as well. A user who sets the
// variable decides otherwise.
process.env.ORT_DISABLE_TELEMETRY ??= '1';
