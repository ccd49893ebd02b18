/* The header of the current message, and what milters change of it at end of message. */
#ifndef CHANGES_H
#define CHANGES_H

#include "mta.h"

/* Frees `text` (from malloc) at the end of the message; returns it. */
char *keep_text(struct session *session, char *text);

/* Puts a field at this place, counted from 0, or at the end. */
void insert_field(struct session *session, int at, const char *name, const char *value);

/* Carries out a change. Returns 0 for a packet that is none or is malformed. */
int change(struct session *session, struct milter *milter, unsigned char kind, unsigned char *data, size_t length);

/* Forgets the header and all texts that were kept. */
void forget_fields(struct session *session);

#endif
