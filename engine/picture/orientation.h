#pragma once
// Which way up a picture is: what its file says of that beside the pixels, read as Pillow's ImageOps.exif_transpose
// reads it, and the turning itself. The bytes are a stranger's; nothing in them is followed but one table.

#include <span>
#include <string>

#include "vitq/image.h"

namespace vitq {

/// The parts of a picture file that may state an orientation. Empty: not there.
struct PictureMetadata {
  std::string exif;  ///< a TIFF file's bytes, perhaps behind "Exif\0\0"
  std::string xmp;
};

/// Of a PNG that check_png has let pass: the last chunk eXIf or text `exif`, else ImageMagick's text `Raw profile type
/// exif`; and the last text `XML:com.adobe.xmp`. A chunk whose checksum is wrong counts as not there.
PictureMetadata png_metadata(std::span<const std::uint8_t> png);

/// EXIF's number, 1 (upright) to 8. The first entry 0x112 of the first directory counts; where there is none, the first
/// tiff:Orientation of the XMP. Whatever is no such number, or cannot be read, is 1.
int orientation_of(const PictureMetadata& metadata);

/// The picture as it was seen where it is stored in `orientation`, 1 to 8.
Image turned_upright(Image image, int orientation);

}  // namespace vitq
