/*
 * What the C tests share: checks that are counted, and go on after a fault.
 */

#ifndef CHECK_H
#define CHECK_H

#define _DEFAULT_SOURCE 1

#include "realpeer.h"


/* Goes on after a fault: one run tells all. */
#define check(condition, ...)                                                 \
    do {                                                                      \
        checks++;                                                             \
        if (!(condition)) {                                                   \
            fault(__FILE__, __LINE__, #condition, __VA_ARGS__);               \
        }                                                                     \
    } while (0)


extern unsigned long  checks;
extern unsigned long  faults;


void fault(const char *file, int line, const char *condition,
    const char *format, ...);

/* The address and port against "192.0.2.1 80", or "-" for none. */
void check_address(const realpeer_address *address, const char *wanted);

/* The end of at least so many bytes, behind which nothing may be touched. */
uint8_t *build_fence(size_t size);

/* The functions that write. */
void check_write(void);

/* The functions that have to do with sockets, and datagrams. */
void check_socket(void);

/* Reads the vectors from stdin, and returns how many there were. */
unsigned check_vectors(void);

#endif
