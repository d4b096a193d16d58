# cmake -DTEMPLATE=… -DPAGE=… -DSTYLE=… -DSCRIPT=… -DOUT=… -P embed_web.cmake: the page of the HTML
# report as string literals of a source file.
foreach(part PAGE STYLE SCRIPT)
  file(READ ${${part}} FLENSE_WEB_${part})
  if(FLENSE_WEB_${part} MATCHES "\\)flense_web\"" OR FLENSE_WEB_${part} STREQUAL "")
    message(FATAL_ERROR "${${part}} cannot be embedded")
  endif()
endforeach()
configure_file(${TEMPLATE} ${OUT} @ONLY)
