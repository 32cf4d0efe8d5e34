#pragma once
// Files are mapped, not read (weights/mapped_file.h). Where another program cuts one short meanwhile, the system sends
// SIGBUS; this turns the silent death into a message.

namespace vitq {

/// From here on, SIGBUS on a page of a mapped file that has gone ends the process with exit code 1 and one line on
/// standard error that names the file. Any other SIGBUS does what it always does. To be called by main() alone: what it
/// sets is the process's.
void explain_bus_errors();

}  // namespace vitq
