/* The macros that Postfix sends before an event. */
#ifndef MACROS_H
#define MACROS_H

#include "mta.h"

#define HOST "mx.receiver.example"

/* Sends those that the milter asked for at this stage, or else those of Postfix's default settings. */
void send_macros(struct session *session, struct milter *milter, unsigned char command, int stage);

#endif
