/* SPDX-License-Identifier: MIT */
/*
 * The control of the attacks on FastCGI: a program as libfcgi's manual shows
 * it, which hands to libfcgi whatever arrives.
 */
#include <fcgiapp.h>

int main(void)
{
	FCGX_Request request;

	if (FCGX_Init() != 0 || FCGX_InitRequest(&request, 0, 0) != 0)
		return 1;
	while (FCGX_Accept_r(&request) == 0) {
		FCGX_FPrintF(request.out, "Content-Type: text/plain\r\n\r\n"
					  "ALIVE\n");
		FCGX_Finish_r(&request);
	}
	return 0;
}
