/* A milter that does nothing, as fast as it can be done: what loadgen is measured against. */
#ifndef RESPOND_H
#define RESPOND_H

#include "wire.h"

/* Listens until the process is ended; never returns. */
void respond(const struct place *place);

#endif
