/* An MTA's side of the milter protocol, version 6, for one SMTP session and a chain of milters, as Postfix 3.7 speaks it. */
#ifndef MTA_H
#define MTA_H

#include "message.h"
#include "wire.h"

#include <stdatomic.h>
#include <stdio.h>

enum { MAX_MILTERS = 8, MACRO_STAGES = 7 };

enum reply { ACCEPT, REJECT, TEMPFAIL, DISCARD, FAILED, REPLY_KINDS };

/* What all sessions share. */
struct settings {
    struct place places[MAX_MILTERS];
    int milters;
    int timeout; /* seconds for one answer of a milter */
    int offer_skip;
    double step; /* seconds before each SMTP command */
};

enum milter_state { WANTS_EVENTS, ACCEPTED_MESSAGE, ACCEPTED_CONNECTION, REFUSED_CONNECTION };

struct milter {
    struct stream stream;
    enum milter_state state;
    uint32_t protocol;
    char *macros[MACRO_STAGES]; /* names that it asked for, NULL: Postfix's default */
    unsigned char skipped;      /* the command that it wants no more of in this message */
};

/* One SMTP session. Fields of the current message are changed as the milters ask. */
struct session {
    const struct settings *settings;
    struct milter milters[MAX_MILTERS];
    const struct message *message;
    char queue_id[16];
    struct field *fields; /* of the current message, the MTA's own Received among them */
    const char *received; /* value of that one: it counts where a field is inserted, but milters do not see it */
    int field_count;
    int field_room;
    char **owned; /* texts that belong to the current message */
    int owned_count;
    int owned_room;
    enum reply verdict;
    char reply[512];    /* the SMTP reply in words, where there is one */
    char *results;      /* Authentication-Results that were added, each after a tab */
    size_t results_length;
    double waited;      /* seconds between "." and the reply; negative if it did not get that far */
};

/* Connects to the milters, and says who the SMTP client is. Look at verdict: FAILED or a refusal ends the session. */
void session_open(struct session *session, const struct settings *settings, const struct message *message);

/* One message, which must be of the client of session_open. */
void session_message(struct session *session, const struct message *message, long number);

/* Whether a further message can be sent: no milter failed, and none refused the connection. */
int session_lives(const struct session *session);
void session_close(struct session *session);

/* Sleeps until a moment of CLOCK_MONOTONIC, in seconds. */
void sleep_until(double moment);
double now(void);

#endif
