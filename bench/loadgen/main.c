/* loadgen: sends a corpus to milters as Postfix would, and says how long they took. See bench/README.md. */
#include "mta.h"
#include "respond.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { STACK = 1 << 18, SHOWN_ERRORS = 20 };

static const char USAGE[] =
    "usage: loadgen --milter PLACE [--milter PLACE ...] --corpus DIR --set NAME [options]\n"
    "       loadgen --respond PLACE\n"
    "PLACE is unix:/path or inet:PORT@ADDRESS. Options:\n"
    "  --connections N       SMTP sessions at the same time (1)\n"
    "  --messages M          in all (each message of the set once)\n"
    "  --per-connection K    messages of one session (1); they are K times the same one\n"
    "  --step-ms D           wait before HELO, MAIL, RCPT, DATA and \".\" (0)\n"
    "  --rate R              messages a second (0: as fast as possible)\n"
    "  --idle-connections N  further sessions that say HELO and nothing more (0)\n"
    "  --answers FILE        one line a message: name, final reply, Authentication-Results that were added\n"
    "  --no-skip             do not offer SMFIP_SKIP, which Postfix does\n"
    "  --timeout S           seconds to wait for one answer (300)\n";

static struct {
    struct settings settings;
    struct corpus corpus;
    long messages;
    long per_connection;
    double rate;
    double start;
    FILE *answers;
    double *waited; /* one for each message that got as far as ".", in seconds */
    pthread_mutex_t lock; /* of all that follows, and of answers */
    long waited_count;
    long replies[REPLY_KINDS];
    long quarantined;
    atomic_long taken;
} run = {.settings = {.timeout = 300, .offer_skip = 1}, .per_connection = 1, .lock = PTHREAD_MUTEX_INITIALIZER};

static const char *const REPLY_NAMES[REPLY_KINDS] = {"accept", "reject", "tempfail", "discard", "errors"};

static void record(const struct session *session, const struct message *message)
{
    pthread_mutex_lock(&run.lock);
    long errors = run.replies[session->verdict]++;
    if (session->verdict == FAILED && errors < SHOWN_ERRORS)
        fprintf(stderr, "loadgen: %s: %s\n", message->name, session->reply);
    if (session->verdict == ACCEPT && session->reply[0])
        run.quarantined++;
    if (session->waited >= 0 && session->verdict != FAILED)
        run.waited[run.waited_count++] = session->waited;
    if (run.answers)
        fprintf(run.answers, "%s\t%s%s%s%s\n", message->name,
                session->verdict == FAILED ? "error" : REPLY_NAMES[session->verdict], session->reply[0] ? " " : "",
                session->reply, session->results_length ? session->results : "");
    pthread_mutex_unlock(&run.lock);
}

/* One SMTP session with messages `first` to `last` - 1 of the run; returns how many it got done, at least 1. */
static long smtp_session(const struct message *message, long first, long last)
{
    struct session session;
    long number = first;
    if (run.rate > 0)
        sleep_until(run.start + (double)first / run.rate);
    session_open(&session, &run.settings, message);
    if (session.verdict != ACCEPT) {
        session.waited = -1;
        record(&session, message);
        number++;
    } else {
        do {
            if (run.rate > 0)
                sleep_until(run.start + (double)number / run.rate);
            session_message(&session, message, number);
            record(&session, message);
            number++;
        } while (number < last && session_lives(&session));
    }
    session_close(&session);
    return number - first;
}

static void *client(void *nothing)
{
    (void)nothing;
    for (;;) {
        long first = atomic_fetch_add(&run.taken, run.per_connection);
        if (first >= run.messages)
            return NULL;
        long last = first + run.per_connection < run.messages ? first + run.per_connection : run.messages;
        const struct message *message = &run.corpus.messages[first / run.per_connection % run.corpus.count];
        while (first < last)
            first += smtp_session(message, first, last);
    }
}

static int compare(const void *left, const void *right)
{
    double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

/* The value, in ms, that this share of all messages does not exceed. */
static double percentile(double share)
{
    if (!run.waited_count)
        return 0;
    long at = (long)(share * (double)run.waited_count);
    return run.waited[at < run.waited_count ? at : run.waited_count - 1] * 1e3;
}

static void report(double seconds)
{
    struct rusage usage;
    double sum = 0;
    getrusage(RUSAGE_SELF, &usage);
    qsort(run.waited, (size_t)run.waited_count, sizeof *run.waited, compare);
    for (long i = 0; i < run.waited_count; i++)
        sum += run.waited[i] * 1e3;
    printf("{\"messages\": %ld, \"seconds\": %.6f, \"messages_per_second\": %.3f, ", run.messages, seconds,
           (double)run.messages / seconds);
    printf("\"latency_ms\": {\"p50\": %.3f, \"p95\": %.3f, \"p99\": %.3f, \"max\": %.3f, \"mean\": %.3f}, ",
           percentile(0.5), percentile(0.95), percentile(0.99), percentile(1),
           run.waited_count ? sum / (double)run.waited_count : 0);
    printf("\"replies\": {");
    for (int i = 0; i < REPLY_KINDS; i++)
        printf("%s\"%s\": %ld", i ? ", " : "", REPLY_NAMES[i], run.replies[i]);
    printf("}, \"quarantined\": %ld, \"cpu_seconds\": %.6f}\n", run.quarantined,
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

static double number(const char *option, const char *text, double least)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || value < least || value > 1e9)
        errx(2, "--%s %s: a number from %g on is wanted", option, text, least);
    return value;
}

static struct place place_of(const char *text)
{
    struct place place;
    if (parse_place(text, &place))
        errx(2, "%s: neither unix:/path nor inet:PORT@ADDRESS", text);
    return place;
}

static void run_all(long connections, long idle)
{
    struct session *idlers = calloc((size_t)idle + 1, sizeof *idlers);
    pthread_t *threads = calloc((size_t)connections, sizeof *threads);
    pthread_attr_t attributes;
    run.waited = calloc((size_t)run.messages + 1, sizeof *run.waited);
    if (!idlers || !threads || !run.waited)
        err(2, "memory");
    for (long i = 0; i < idle; i++) {
        session_open(&idlers[i], &run.settings, &run.corpus.messages[i % run.corpus.count]);
        if (idlers[i].verdict != ACCEPT)
            errx(2, "idle connection %ld: %s", i, idlers[i].reply);
        for (int at = 0; at < run.settings.milters; at++)
            stream_flush(&idlers[i].milters[at].stream);
    }
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    run.start = now();
    for (long i = 0; i < connections; i++)
        if ((errno = pthread_create(&threads[i], &attributes, client, NULL)) != 0)
            err(2, "thread");
    for (long i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    report(now() - run.start);
    for (long i = 0; i < idle; i++)
        session_close(&idlers[i]);
    free(idlers);
    free(threads);
}

int main(int argc, char **argv)
{
    enum { MILTER, RESPOND, CORPUS, SET, CONNECTIONS, MESSAGES, PER_CONNECTION, STEP, RATE, IDLE, ANSWERS, NO_SKIP, TIMEOUT };
    static const struct option options[] = {
        {"milter", 1, NULL, MILTER},          {"respond", 1, NULL, RESPOND},
        {"corpus", 1, NULL, CORPUS},          {"set", 1, NULL, SET},
        {"connections", 1, NULL, CONNECTIONS}, {"messages", 1, NULL, MESSAGES},
        {"per-connection", 1, NULL, PER_CONNECTION}, {"step-ms", 1, NULL, STEP},
        {"rate", 1, NULL, RATE},              {"idle-connections", 1, NULL, IDLE},
        {"answers", 1, NULL, ANSWERS},        {"no-skip", 0, NULL, NO_SKIP},
        {"timeout", 1, NULL, TIMEOUT},        {NULL, 0, NULL, 0}};
    const char *directory = NULL;
    const char *set = NULL;
    long connections = 1;
    long idle = 0;
    struct rlimit files;
    int at;
    for (int option; (option = getopt_long(argc, argv, "", options, &at)) != -1;) {
        const char *name = option < 0 || option == '?' ? "" : options[option].name;
        switch (option) {
        case MILTER:
            if (run.settings.milters == MAX_MILTERS)
                errx(2, "at most %d milters", MAX_MILTERS);
            run.settings.places[run.settings.milters++] = place_of(optarg);
            break;
        case RESPOND: {
            struct place place = place_of(optarg);
            respond(&place);
            break;
        }
        case CORPUS:
            directory = optarg;
            break;
        case SET:
            set = optarg;
            break;
        case CONNECTIONS:
            connections = (long)number(name, optarg, 1);
            break;
        case MESSAGES:
            run.messages = (long)number(name, optarg, 1);
            break;
        case PER_CONNECTION:
            run.per_connection = (long)number(name, optarg, 1);
            break;
        case STEP:
            run.settings.step = number(name, optarg, 0) / 1e3;
            break;
        case RATE:
            run.rate = number(name, optarg, 0);
            break;
        case IDLE:
            idle = (long)number(name, optarg, 0);
            break;
        case ANSWERS:
            run.answers = fopen(optarg, "w");
            if (!run.answers)
                err(2, "%s", optarg);
            break;
        case NO_SKIP:
            run.settings.offer_skip = 0;
            break;
        case TIMEOUT:
            run.settings.timeout = (int)number(name, optarg, 1);
            break;
        default:
            fputs(USAGE, stderr);
            return 2;
        }
    }
    if (!run.settings.milters || !directory || !set || optind < argc) {
        fputs(USAGE, stderr);
        return 2;
    }
    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    run.corpus = read_corpus(directory, set);
    if (!run.messages)
        run.messages = run.corpus.count;
    run_all(connections, idle);
    if (run.answers && fclose(run.answers))
        err(2, "answers");
    return 0;
}
