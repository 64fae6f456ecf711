/* SPDX-License-Identifier: Apache-2.0 */
/* The files that the binary carries: read at build time, relative to the project's root. */
    .section .rodata
    .global asset_openapi, asset_openapi_length, asset_console, asset_console_length

asset_openapi:
    .incbin "openapi.yaml"
asset_openapi_end:
    .byte 0

asset_console:
    .incbin "api/web/console.html"
asset_console_end:
    .byte 0

    .balign 8
asset_openapi_length:
    .quad asset_openapi_end - asset_openapi
asset_console_length:
    .quad asset_console_end - asset_console

    .section .note.GNU-stack, "", %progbits
