/* The messages of one set of a corpus (bench/corpus.py), read once and shared by all threads. */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stddef.h>

/* A header field as a milter gets it: folds are bare LF, the value begins with the white space after the colon. */
struct field {
    const char *name;
    const char *value;
};

struct message {
    char *name;
    char *client; /* an IPv4 or IPv6 address */
    char *helo;
    char *mail_from; /* without angle brackets; empty is the null sender */
    char *rcpt;
    struct field *fields;
    int field_count;
    const char *body; /* line ends are CRLF */
    size_t body_length;
};

struct corpus {
    struct message *messages;
    int count;
};

/* Reads the messages of a set. Ends the program, with a line on stderr, where there are none or a file is bad. */
struct corpus read_corpus(const char *directory, const char *set);

#endif
