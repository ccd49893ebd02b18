#include "message.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 11, NAME = 0, SET = 1, FILE_NAME = 2, CLIENT = 3, HELO = 4, MAIL_FROM = 5, RCPT = 6 };

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        err(2, "%s", path);
    long size = ftell(file);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    if (!text || fread(text, 1, (size_t)size, file) != (size_t)size)
        err(2, "%s", path);
    fclose(file);
    text[size] = '\0';
    *length = (size_t)size;
    return text;
}

/* Cuts one field off the header section at `text`, in place; returns where the next one begins. */
static char *cut_field(const char *path, char *text, struct field *field)
{
    char *colon = strchr(text, ':');
    if (!colon)
        errx(2, "%s: a header line without a colon: %.40s", path, text);
    field->name = text;
    field->value = colon + 1;
    char *to = colon + 1;
    *colon = '\0';
    for (char *from = to;; from++) {
        if (from[0] == '\r' && from[1] == '\n') {
            from++;
            if (from[1] != ' ' && from[1] != '\t') {
                *to = '\0';
                return from + 1;
            }
            *to++ = '\n';
        } else if (!*from) {
            errx(2, "%s: the header section does not end in CRLF", path);
        } else {
            *to++ = *from;
        }
    }
}

static void read_message(const char *path, struct message *message)
{
    size_t length;
    char *text = read_file(path, &length);
    char *end = strstr(text, "\r\n\r\n");
    if (!end)
        errx(2, "%s: no empty line after the header", path);
    message->body = end + 4;
    message->body_length = length - (size_t)(message->body - text);
    end[2] = '\0';
    for (char *next = text; *next;) {
        message->fields = realloc(message->fields, sizeof *message->fields * (size_t)(message->field_count + 1));
        if (!message->fields)
            err(2, "memory");
        next = cut_field(path, next, &message->fields[message->field_count++]);
    }
}

struct corpus read_corpus(const char *directory, const char *set)
{
    struct corpus corpus = {0};
    char path[4096];
    size_t length;
    snprintf(path, sizeof path, "%s/corpus.tsv", directory);
    char *text = read_file(path, &length);
    char *rest = strchr(text, '\n'); /* the first line is the heading */
    for (char *line; rest && (line = strsep(&rest, "\n")) != NULL;) {
        char *columns[COLUMNS];
        int count = 0;
        for (char *column; count < COLUMNS && (column = strsep(&line, "\t")) != NULL;)
            columns[count++] = column;
        if (count < COLUMNS || strcmp(columns[SET], set))
            continue;
        corpus.messages = realloc(corpus.messages, sizeof *corpus.messages * (size_t)(corpus.count + 1));
        if (!corpus.messages)
            err(2, "memory");
        struct message *message = &corpus.messages[corpus.count++];
        *message = (struct message){.name = columns[NAME],
                                    .client = columns[CLIENT],
                                    .helo = columns[HELO],
                                    .mail_from = columns[MAIL_FROM],
                                    .rcpt = columns[RCPT]};
        snprintf(path, sizeof path, "%s/%s", directory, columns[FILE_NAME]);
        read_message(path, message);
    }
    if (!corpus.count)
        errx(2, "%s/corpus.tsv has no message of the set %s", directory, set);
    return corpus;
}
