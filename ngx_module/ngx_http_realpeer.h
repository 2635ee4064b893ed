
/*
 * What the files of the http module share with nobody else.
 */


#ifndef _NGX_HTTP_REALPEER_H_INCLUDED_
#define _NGX_HTTP_REALPEER_H_INCLUDED_


#include <ngx_http.h>
#include "ngx_realpeer.h"


/* ngx_http_realpeer_status.c: the counters, as an answer */

char *ngx_http_realpeer_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);


#endif /* _NGX_HTTP_REALPEER_H_INCLUDED_ */
